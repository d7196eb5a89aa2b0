# Each command's help: on stdout alone, at most 79 columns, with its synopsis, options and
# examples; "int8tool help X" is the same.
for command in $(int8tool --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    echo "$command"
    int8tool "$command" --help >out 2>err
    int8tool help "$command" | cmp - out
    int8tool "$command" -h | cmp - out
    int8tool "$command" --json --help operand operand operand | cmp - out
    [ ! -s err ] || echo "stderr: $(cat err)"
    sed -n '1p' out | grep -q "^Usage: int8tool $command \[options\]" || sed -n '1p' out
    for heading in Options: Examples:; do
        grep -qx "$heading" out || echo "lacks $heading"
    done
    grep -qE '^  int8tool '"$command" out || echo "no example runs it"
    # an example may be longer: it is not wrapped, so that it can be copied
    grep -v '^  int8tool' out | grep -E '^.{80}' || :
done
