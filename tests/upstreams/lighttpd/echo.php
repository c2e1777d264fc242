<?php
// A PHP program that answers with what it was told.
file_put_contents(getenv('LOG'), "{$_SERVER['REQUEST_METHOD']} {$_SERVER['REQUEST_URI']}\n", FILE_APPEND);
$fields = [];
foreach ($_SERVER as $name => $value) {
    if (str_starts_with($name, 'HTTP_')) {
        $fields[strtolower(str_replace('_', '-', substr($name, 5)))] = $value;
    }
}
header('Content-Type: application/json');
$body = json_decode(file_get_contents('php://input'), true);
echo json_encode(['fields' => (object) $fields, 'query' => (object) $_GET, 'body' => $body]);
