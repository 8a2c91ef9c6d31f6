<?php
// The HTML. Whatever a visitor wrote goes through escape().

function escape(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5, 'UTF-8');
}

function page_head(string $title): void
{
    ?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title><?= escape($title) ?></title>
<link rel="icon" href="/logo.svg">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header><a href="/"><img src="/logo.svg" alt="" width="48" height="48"></a><h1><?= escape($title) ?></h1></header>
<main>
<?php
}

function page_foot(): void
{
    ?>
</main>
<footer>Served by <?= escape($_SERVER['VDC_MEMBER']) ?></footer>
</body>
</html>
<?php
}

/** $rows: the entries, null when the database does not answer. */
function guest_book_page(?array $rows, array $sent, string $problem): void
{
    page_head('Guest book');
    ?>
<form method="post" action="/">
<?php if ($problem !== ''): ?>
<p class="problem" role="alert"><?= escape($problem) ?></p>
<?php endif ?>
<label>Name <input name="name" maxlength="<?= NAME_MAX ?>" required autocomplete="name" value="<?= escape($sent['name']) ?>"></label>
<label>Message <textarea name="message" rows="3" maxlength="<?= MESSAGE_MAX ?>" required><?= escape($sent['message']) ?></textarea></label>
<button>Write</button>
</form>
<?php if ($rows === null): ?>
<p class="problem" role="alert">The database does not answer. Please come back in a minute.</p>
<?php elseif ($rows === []): ?>
<p>Nobody has written yet.</p>
<?php else: ?>
<ol class="entries">
<?php foreach ($rows as $row): ?>
<li><p><?= nl2br(escape($row['message']), false) ?></p>
<small><b><?= escape($row['name']) ?></b> · <time><?= escape($row['written']) ?></time> · written by <?= escape($row['member']) ?></small></li>
<?php endforeach ?>
</ol>
<?php endif;
    page_foot();
}

function not_found_page(): void
{
    page_head('Not found');
    echo "<p>There is no such page. <a href=\"/\">To the guest book</a></p>\n";
    page_foot();
}
