# Options may follow operands, be shortened, be joined by '=', and end at "--".
int8tool devices --json --quiet | head -n 1
int8tool devices --js -q -v | head -n 1
int8tool devices -qv --json -- | head -n 1
