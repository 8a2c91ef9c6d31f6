<?php
// The guest book's rows. One table, made when the first page finds it missing.

const NAME_MAX = 60;
const MESSAGE_MAX = 1000;
const SHOWN = 50;

/** What a visitor wrote cannot be taken; the message is for the visitor. */
class Unfit extends Exception
{
}

function database(): PDO
{
    static $connection = null;
    $connection ??= new PDO(
        "mysql:host={$_SERVER['VDC_DB_HOST']};dbname={$_SERVER['VDC_DB_NAME']};charset=utf8mb4",
        $_SERVER['VDC_DB_USER'],
        $_SERVER['VDC_DB_PASSWORD'],
        [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_EMULATE_PREPARES => false,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
            PDO::ATTR_TIMEOUT => 5,
        ]
    );
    return $connection;
}

function make_table(): void
{
    database()->exec(
        'CREATE TABLE IF NOT EXISTS entries (
            id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
            name VARCHAR(' . NAME_MAX . ') NOT NULL,
            message VARCHAR(' . MESSAGE_MAX . ') NOT NULL,
            member VARCHAR(100) NOT NULL,
            written TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
        ) CHARACTER SET utf8mb4'
    );
}

/** Runs a statement; a missing table is made first. */
function run(string $statement, array $values): PDOStatement
{
    for ($again = false;; $again = true) {
        try {
            $prepared = database()->prepare($statement);
            foreach ($values as $name => $value) {
                $prepared->bindValue($name, $value, is_int($value) ? PDO::PARAM_INT : PDO::PARAM_STR);
            }
            $prepared->execute();
            return $prepared;
        } catch (PDOException $problem) {
            if ($again || $problem->getCode() !== '42S02') {
                throw $problem;
            }
            make_table();
        }
    }
}

/** The newest entries, newest first. */
function entries(int $limit = SHOWN): array
{
    return run('SELECT id, name, message, member, written FROM entries ORDER BY id DESC LIMIT :limit', ['limit' => $limit])
        ->fetchAll();
}

/** The visitor's text without blanks around it and without control characters other than line ends. */
function fit(mixed $text, string $what, int $max): string
{
    if (!is_string($text) || !is_utf8($text)) {
        throw new Unfit("The $what is no text.");
    }
    $text = trim(preg_replace('/[^\P{Cc}\n]/u', '', str_replace(["\r\n", "\r"], "\n", $text)));
    $length = preg_match_all('/./su', $text);
    if ($length === 0) {
        throw new Unfit("Please write a $what.");
    }
    if ($length > $max) {
        throw new Unfit("The $what is longer than $max characters.");
    }
    return $text;
}

/** PHP without mbstring: the u modifier refuses what is not UTF-8. */
function is_utf8(string $text): bool
{
    return preg_match('//u', $text) === 1;
}

/** Writes an entry; returns its number. */
function write_entry(mixed $name, mixed $message): int
{
    run('INSERT INTO entries (name, message, member) VALUES (:name, :message, :member)', [
        'name' => fit($name, 'name', NAME_MAX),
        'message' => fit($message, 'message', MESSAGE_MAX),
        'member' => $_SERVER['VDC_MEMBER'],
    ]);
    return (int) database()->lastInsertId();
}
