<?php
// Every address of the guest book: / the page, /api/entries the same as JSON, /health for the load balancer.
require __DIR__ . '/guestbook.php';
require __DIR__ . '/page.php';

function send_json(int $status, array $value): void
{
    http_response_code($status);
    header('Content-Type: application/json; charset=utf-8');
    echo json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}

/** What was sent: a JSON object or a form. */
function body(): array
{
    if (!str_starts_with($_SERVER['CONTENT_TYPE'] ?? '', 'application/json')) {
        return $_POST;
    }
    $value = json_decode(file_get_contents('php://input'), true);
    return is_array($value) ? $value : [];
}

/** A form on another site cannot write here in a visitor's name. */
function from_here(): bool
{
    $origin = $_SERVER['HTTP_ORIGIN'] ?? null;
    return $origin === null || preg_replace('#^https?://#', '', $origin) === ($_SERVER['HTTP_HOST'] ?? '');
}

function api(string $method): void
{
    $member = $_SERVER['VDC_MEMBER'];
    try {
        if ($method === 'GET') {
            $limit = filter_var($_GET['limit'] ?? SHOWN, FILTER_VALIDATE_INT, ['options' => ['min_range' => 1, 'max_range' => 1000]]);
            send_json(200, ['member' => $member, 'entries' => entries($limit === false ? SHOWN : $limit)]);
        } elseif ($method === 'POST') {
            $sent = body();
            send_json(201, ['member' => $member, 'id' => write_entry($sent['name'] ?? null, $sent['message'] ?? null)]);
        } else {
            header('Allow: GET, POST');
            send_json(405, ['member' => $member, 'message' => 'GET or POST']);
        }
    } catch (Unfit $problem) {
        send_json(422, ['member' => $member, 'message' => $problem->getMessage()]);
    } catch (PDOException $problem) {
        error_log('guest book: ' . $problem->getMessage());
        send_json(503, ['member' => $member, 'message' => 'the database does not answer']);
    }
}

function page(string $method): void
{
    $problem = '';
    $sent = ['name' => '', 'message' => ''];
    $rows = null;
    try {
        if ($method === 'POST') {
            $sent = array_map(fn ($text) => is_string($text) ? $text : '', $_POST) + $sent;
            write_entry($sent['name'], $sent['message']);
            // So that a reload does not write the entry again.
            header('Location: /', true, 303);
            return;
        }
    } catch (Unfit $refused) {
        http_response_code(422);
        $problem = $refused->getMessage();
    } catch (PDOException $lost) {
        error_log('guest book: ' . $lost->getMessage());
        http_response_code(503);
        $problem = 'The database does not answer: this was not written.';
    }
    try {
        $rows = entries();
    } catch (PDOException $lost) {
        error_log('guest book: ' . $lost->getMessage());
        http_response_code(503);
    }
    guest_book_page($rows, $sent, $problem);
}

header('X-Served-By: ' . $_SERVER['VDC_MEMBER']);
header('Cache-Control: no-store');
header("Content-Security-Policy: default-src 'self'; frame-ancestors 'none'; form-action 'self'");
header('X-Content-Type-Options: nosniff');

$method = $_SERVER['REQUEST_METHOD'] === 'HEAD' ? 'GET' : $_SERVER['REQUEST_METHOD'];
$path = $_SERVER['DOCUMENT_URI'] ?? '/';
if ($method === 'POST' && !from_here()) {
    send_json(403, ['member' => $_SERVER['VDC_MEMBER'], 'message' => 'sent from another site']);
} elseif ($path === '/health') {
    // Without the database on purpose: while that is away no member is better than another.
    header('Content-Type: text/plain');
    echo 'ok ', $_SERVER['VDC_MEMBER'], "\n";
} elseif ($path === '/api/entries') {
    api($method);
} elseif ($path === '/' || $path === '/index.php') {
    page($method);
} else {
    http_response_code(404);
    not_found_page();
}
