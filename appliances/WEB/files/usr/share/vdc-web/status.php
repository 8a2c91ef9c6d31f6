<?php
// The page of a web server without content: who it is, and whether what it is wired to can be reached.

/** Whether something accepts connections at the host's port within a second. */
function reachable(string $host, int $port): bool
{
    $connection = @fsockopen($host, $port, $code, $message, 1.0);
    if ($connection === false) {
        return false;
    }
    fclose($connection);
    return true;
}

/** "ok", or what the database says against the user; null without a user to try. */
function login(): ?string
{
    if ($_SERVER['VDC_DB_USER'] === '') {
        return null;
    }
    try {
        new PDO(
            "mysql:host={$_SERVER['VDC_DB_HOST']};dbname={$_SERVER['VDC_DB_NAME']};charset=utf8mb4",
            $_SERVER['VDC_DB_USER'],
            $_SERVER['VDC_DB_PASSWORD'],
            [PDO::ATTR_TIMEOUT => 2]
        );
        return 'ok';
    } catch (PDOException $problem) {
        return $problem->getMessage();
    }
}

function nas_mounted(): bool
{
    return preg_match('#^\S+ /mnt/fs nfs4 #m', (string) file_get_contents('/proc/mounts')) === 1;
}

function status(): array
{
    $database = ['wired' => $_SERVER['VDC_DB_WIRED'], 'reachable' => false, 'login' => null];
    if ($database['wired']) {
        $database['reachable'] = reachable($_SERVER['VDC_DB_HOST'], 3306);
        $database['login'] = $database['reachable'] ? login() : null;
    }
    $nas = ['wired' => $_SERVER['VDC_FS_WIRED'], 'reachable' => false, 'mounted' => nas_mounted()];
    if ($nas['wired']) {
        $nas['reachable'] = reachable('fs', 2049);
    }
    return [
        'application' => $_SERVER['VDC_APPLICATION'],
        'member' => $_SERVER['VDC_MEMBER'],
        'database' => $database,
        'nas' => $nas,
    ];
}

function words(array $part): string
{
    if (!$part['wired']) {
        return 'not wired';
    }
    if (!$part['reachable']) {
        return 'not reachable';
    }
    if (isset($part['login']) && $part['login'] !== 'ok') {
        return 'reachable, but: ' . $part['login'];
    }
    return 'reachable';
}

function escape(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

$path = $_SERVER['DOCUMENT_URI'] ?? '/';
header('Cache-Control: no-store');
header('X-Served-By: ' . $_SERVER['VDC_MEMBER']);
if ($path === '/status.json') {
    header('Content-Type: application/json');
    echo json_encode(status(), JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    return;
}
header('Content-Type: text/html; charset=utf-8');
if ($path !== '/' && $path !== '/index.html' && $path !== '/index.php') {
    http_response_code(404);
    echo "<!doctype html>\n<title>Not found</title>\n<p>Not found. Served by ", escape($_SERVER['VDC_MEMBER']), "\n";
    return;
}
$status = status();
$member = escape($status['member']);
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title><?= $member ?></title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 4rem auto; max-width: 36rem; padding: 0 1rem; color: #1c2733 }
table { border-collapse: collapse; width: 100% }
td, th { border-top: 1px solid #d5dde5; padding: .5rem 0; text-align: left }
footer { color: #5b6b7a; margin-top: 2rem }
</style>
<h1>It works</h1>
<p>This web server has no content yet.</p>
<table>
<tr><th scope="row">Application</th><td><?= escape($status['application']) ?></td></tr>
<tr><th scope="row">Member</th><td><?= $member ?></td></tr>
<tr><th scope="row">Database</th><td><?= escape(words($status['database'])) ?></td></tr>
<tr><th scope="row">NAS</th><td><?= escape(words($status['nas'])) ?></td></tr>
</table>
<footer>Served by <?= $member ?> · <a href="/status.json">as JSON</a></footer>
</html>
