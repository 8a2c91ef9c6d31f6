<?php
// Every request that names no file of the content comes here.
(function (): void {
    $root = $_SERVER['DOCUMENT_ROOT'];
    $path = $_SERVER['DOCUMENT_URI'] ?? '/';
    // DOCUMENT_URI is decoded and without . and .. segments: nginx has normalised it.
    foreach ([rtrim($path, '/') . '/index.php', '/index.php'] as $script) {
        if (is_file($root . $script)) {
            $_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = $script;
            $_SERVER['SCRIPT_FILENAME'] = $root . $script;
            chdir(dirname($root . $script));
            return;
        }
    }
    $_SERVER['SCRIPT_FILENAME'] = __DIR__ . '/status.php';
})();
require $_SERVER['SCRIPT_FILENAME'];
