int8tool --help
int8tool help >help.txt
int8tool -h | cmp - help.txt
