int8tool inspect no-such-model
