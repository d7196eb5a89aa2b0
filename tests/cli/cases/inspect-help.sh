int8tool inspect --help
