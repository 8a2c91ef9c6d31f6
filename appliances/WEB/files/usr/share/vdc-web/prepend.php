<?php
// Runs before every script: the instance's settings become part of $_SERVER.
$_SERVER += require '/run/vdc-web/settings.php';
