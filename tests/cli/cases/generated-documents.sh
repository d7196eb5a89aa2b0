# Every command has its section, and shells accept what is meant for them.
int8tool --generate man >man
for command in $(int8tool --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    grep -q "^\.SS \"int8tool $command\"" man || echo "man page: no section on $command"
    int8tool help "$command" >help
    grep -q '^Examples:' help || echo "$command: no examples"
done
if command -v groff >/dev/null; then
    groff -man -ww -z -Tutf8 -K utf8 man
fi
for shell in bash zsh fish; do
    int8tool --generate $shell >script
    grep -q int8tool script
    if command -v $shell >/dev/null; then
        $shell -n script
    fi
done
