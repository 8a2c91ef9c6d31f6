"""What test modules of one run share, and how it is let go at the end of the run."""
_held = {}
_ends = []


def hold(name, make, end):
    """The thing called @name, made at the first call; end (thing) is called once, at the end of the run."""
    if name not in _held:
        thing = make()
        _held[name] = thing
        _ends.append((name, end))
    return _held[name]


def drop(name):
    """Let go of it now; the next hold makes it anew."""
    for entry in list(_ends):
        if entry[0] == name:
            _ends.remove(entry)
            entry[1](_held.pop(name))


def let_go():
    for name, _ in list(reversed(_ends)):
        drop(name)
