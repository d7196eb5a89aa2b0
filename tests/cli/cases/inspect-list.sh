int8tool inspect "$DATA/tiny-llama"
