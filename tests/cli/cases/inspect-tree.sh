int8tool inspect --tree "$DATA/tiny-llama"
