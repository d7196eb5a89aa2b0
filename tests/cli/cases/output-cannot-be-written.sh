status=0
int8tool --help >/dev/full || status=$?
echo $status
status=0
int8tool devices --json >&- || status=$?
echo $status
