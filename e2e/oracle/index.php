<?php
// The oracle's API on PHP: routed by the path info that nginx passes to php-fpm, or by the decoded request target.

$routes = [
    'listItems' => '/items',
    'exportItems' => '/items/export',
    'getItem' => '/items/([^/]+)',
    'getSecret' => '/items/([^/]+)/secret',
    'listNotes' => '/items/([^/]+)/notes',
    'latestNote' => '/items/([^/]+)/notes/latest',
    'getNote' => '/items/([^/]+)/notes/([^/]+)',
    'purge' => '/admin/purge',
    'showAdmin' => '/admin/([^/]+)',
    'getFileJson' => '/files/([^/]+)\.json',
    'getFile' => '/files/([^/]+)',
    'compareRefs' => '/compare/([^/]+?)\.\.\.([^/]+)',
    'ping' => '/v([^/]+)/ping',
    'anyPair' => '/([^/]+)/([^/]+)',
    'anyPage' => '/([^/]+)',
];

if (PHP_SAPI === 'cli-server') {
    // As frameworks do: the path of the target, decoded as a whole.
    $path = rawurldecode(explode('?', $_SERVER['REQUEST_URI'], 2)[0]);
} else {
    $path = $_SERVER['PATH_INFO'];
    if (isset($_SERVER['DECODE_AGAIN'])) {
        // A common mistake, which makes double encoding matter.
        $path = rawurldecode($path);
    }
}

header('Content-Type: application/json');
foreach ($routes as $operation => $pattern) {
    if (preg_match('#\A' . $pattern . '\z#s', $path, $found) === 1) {
        $values = array_map(fn ($value) => mb_convert($value), array_slice($found, 1));
        echo json_encode(['ran' => $operation, 'values' => $values]);
        return;
    }
}
http_response_code(404);
echo '{}';

/** Bytes that are no UTF-8 are shown as Latin-1: mbstring may be missing. */
function mb_convert(string $value): string
{
    return preg_match('//u', $value) === 1 ? $value : implode('', array_map(
        fn ($byte) => ord($byte) < 0x80 ? $byte : chr(0xC0 | ord($byte) >> 6) . chr(0x80 | ord($byte) & 0x3F),
        str_split($value)
    ));
}
