int8tool devices --help
