"""A client made from an OpenAPI document alone: it knows nothing of VDC but what the document says.

    api = OpenApi(client.get('openapi.json'))
    for call in api.calls: ...            # .id .method .path .parameters .body .answers
    body = api.sample(call.body)          # right by the schema
    api.problem(schema, value)            # None, or where and why it does not fit
"""
import json
import re
import urllib.parse

TYPES = {'object': dict, 'array': list, 'string': str, 'integer': int, 'number': (int, float), 'boolean': bool,
         'null': type(None)}


def is_type(name, value):
    if isinstance(value, bool):
        return name == 'boolean'
    if name == 'integer' and isinstance(value, float):
        return False
    return isinstance(value, TYPES[name])


class Call:
    def __init__(self, api, path, method, operation):
        self.id, self.path, self.method = operation['operationId'], path, method.upper()
        self.parameters = [api.resolve(p) for p in operation['parameters']]
        body = operation.get('requestBody', {}).get('content', {})
        self.body = body.get('application/json', {}).get('schema')
        self.raw = 'application/octet-stream' in body
        self.answers = {status: api.resolve(answer) for status, answer in operation['responses'].items()}
        self.public = operation.get('security') == []

    def names(self, place):
        return [p['name'] for p in self.parameters if p['in'] == place]

    def url(self, values, query=None):
        path = re.sub(r'{(\w+)}', lambda name: urllib.parse.quote(str(values[name[1]]), safe=''), self.path)
        return path + ('?' + urllib.parse.urlencode(query) if query else '')


class OpenApi:
    def __init__(self, document):
        self.document = document
        self.calls = [Call(self, path, method, operation) for path, item in document['paths'].items()
                      for method, operation in item.items()]

    def call(self, name):
        return next(call for call in self.calls if call.id == name)

    def resolve(self, value):
        while isinstance(value, dict) and '$ref' in value:
            place, found = value['$ref'].lstrip('#/').split('/'), self.document
            for part in place:
                found = found[part]
            value = found
        return value

    # --- values that fit -----------------------------------------------------------------------------------------------

    def sample(self, schema, everything=False, depth=0):
        """The smallest value that fits; with everything, all properties too."""
        schema = self.resolve(schema)
        if 'const' in schema:
            return schema['const']
        if 'enum' in schema:
            return schema['enum'][0]
        for either in ('oneOf', 'anyOf'):
            if either in schema:
                return self.sample(schema[either][0], everything, depth)
        kind = schema.get('type', 'string')
        kind = kind if isinstance(kind, str) else kind[0]
        if kind == 'object':
            wanted = schema.get('properties', {}) if everything and depth < 8 else schema.get('required', [])
            return {name: self.sample(schema['properties'][name], everything, depth + 1) for name in wanted
                    if name != 'dry_run'}
        if kind == 'array':
            return [self.sample(schema.get('items', {}), everything, depth + 1)] * schema.get('minItems', 0)
        if kind == 'string':
            return ('x' * max(schema.get('minLength', 1), 1))[:schema.get('maxLength', 1 << 20)]
        return {'integer': schema.get('minimum', 0), 'number': schema.get('minimum', 0), 'boolean': False, 'null': None}[kind]

    # --- do values fit ----------------------------------------------------------------------------------------------------

    def problem(self, schema, value, place='', depth=0):
        schema = self.resolve(schema)
        if depth > 40:
            return f'{place}: too deep'
        for either in ('oneOf', 'anyOf'):
            if either in schema:
                found = [self.problem(one, value, place, depth + 1) for one in schema[either]]
                if None not in found:
                    return f'{place}: fits none of {found}'
        kinds = schema.get('type')
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not any(is_type(kind, value) for kind in kinds):
            return f'{place}: {value!r:.80} is no {kinds}'
        if 'enum' in schema and value not in schema['enum']:
            return f'{place}: {value!r:.80} is none of {schema["enum"]}'
        if 'const' in schema and value != schema['const']:
            return f'{place}: {value!r:.80} is not {schema["const"]}'
        if isinstance(value, str):
            if not schema.get('minLength', 0) <= len(value) <= schema.get('maxLength', 1 << 30):
                return f'{place}: length {len(value)}'
            if 'pattern' in schema and not re.search(schema['pattern'], value):
                return f'{place}: {value!r:.80} does not match {schema["pattern"]}'
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if not schema.get('minimum', value) <= value <= schema.get('maximum', value):
                return f'{place}: {value} is out of range'
        elif isinstance(value, list):
            return self.list_problem(schema, value, place, depth)
        elif isinstance(value, dict):
            return self.object_problem(schema, value, place, depth)
        return None

    def list_problem(self, schema, value, place, depth):
        if not schema.get('minItems', 0) <= len(value) <= schema.get('maxItems', 1 << 30):
            return f'{place}: {len(value)} entries'
        found = (self.problem(schema['items'], item, f'{place}[{i}]', depth + 1) for i, item in enumerate(value)
                 if 'items' in schema)
        return next((problem for problem in found if problem), None)

    def object_problem(self, schema, value, place, depth):
        for name in schema.get('required', []):
            if name not in value:
                return f'{place}.{name}: is missing'
        more = schema.get('additionalProperties', True)
        for name, member in value.items():
            known = schema.get('properties', {}).get(name)
            if known is None and more is False:
                return f'{place}.{name}: is not known'
            known = known if known is not None else more
            problem = self.problem(known, member, f'{place}.{name}', depth + 1) if isinstance(known, dict) else None
            if problem:
                return problem
        return None

    def answer_problem(self, call, status, headers, body):
        """None, or how this answer differs from what the document says of @call."""
        answer = call.answers.get(str(status))
        if answer is None:
            # What the listener refuses before any call is meant, and what is the same everywhere.
            answer = self.document['components']['responses']['Error'] if status in (405, 414, 429, 431) else None
        if answer is None:
            return f'{call.id}: the document has no {status}'
        kind = headers.get('Content-Type', '').split(';')[0]
        content = answer.get('content', {})
        if not content:
            return None if not body else f'{call.id}: {status} has a body'
        if kind not in content:
            return f'{call.id}: {status} is {kind}, not {list(content)}'
        if kind != 'application/json':
            return None
        try:
            value = json.loads(body)
        except ValueError as error:
            return f'{call.id}: {status} is no JSON: {error}'
        problem = self.problem(content[kind]['schema'], value)
        return f'{call.id}: {status}{problem}' if problem else None
