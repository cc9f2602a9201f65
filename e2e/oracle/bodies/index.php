<?php
// Answers with what PHP read of the request: names and values in which every character stands for a byte.

function shown(string $bytes): string
{
    $text = '';
    foreach (str_split($bytes) as $byte) {
        $code = ord($byte);
        $text .= $code < 0x80 ? $byte : chr(0xc0 | $code >> 6) . chr(0x80 | $code & 0x3f);
    }
    return $text;
}

function flat(string $name, $value, array &$all): void
{
    if (is_array($value)) {
        foreach ($value as $key => $inner) {
            flat($name . '[' . $key . ']', $inner, $all);
        }
    } else {
        $all[] = [shown($name), shown((string) $value)];
    }
}

function pairs(array $read): array
{
    $all = [];
    foreach ($read as $name => $value) {
        flat((string) $name, $value, $all);
    }
    return $all;
}

// Files with brackets in their names come as lists of each property.
function files(string $name, $filename, $place, array &$all): void
{
    if (is_array($filename)) {
        foreach ($filename as $key => $inner) {
            files($name . '[' . $key . ']', $inner, $place[$key], $all);
        }
        return;
    }
    $content = $place === '' ? '' : file_get_contents($place);
    $all[] = [shown($name), shown($filename), shown($content)];
}

$all = [];
foreach ($_FILES as $name => $file) {
    files((string) $name, $file['name'], $file['tmp_name'], $all);
}
header('Content-Type: application/json');
echo json_encode(['query' => pairs($_GET), 'form' => pairs($_POST), 'files' => $all]);
