# Without config.json the modules come from the names, and a note says so.
int8tool inspect "$DATA/tiny-llama/model.safetensors" --tree
int8tool inspect -q "$DATA/tiny-llama/model.safetensors" --tree 2>&1 >/dev/null
