int8tool --version
