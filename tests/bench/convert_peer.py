# SPDX-License-Identifier: Apache-2.0
"""What convert does, by other programs: convert_peer.py bitsandbytes|model_free_ptq MODEL DIR.

bitsandbytes: transformers loads the model, which quantizes it on the CPU, and saves it.
model_free_ptq: llm-compressor's conversion without a model class, W8A8, two workers.
Both leave out the output embedding, as ours does.
"""
import sys
import warnings

warnings.filterwarnings("ignore")


def bitsandbytes(model, folder):
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    quantized = AutoModelForCausalLM.from_pretrained(
        model, dtype=torch.bfloat16, device_map="cpu",
        quantization_config=BitsAndBytesConfig(load_in_8bit=True))
    quantized.save_pretrained(folder)


def model_free_ptq(model, folder):
    from llmcompressor import model_free_ptq as quantize
    quantize(model_stub=model, save_directory=folder, scheme="W8A8",
             ignore=["lm_head", "re:.*embed_tokens"], max_workers=2, device="cpu")


if __name__ == "__main__":
    {"bitsandbytes": bitsandbytes, "model_free_ptq": model_free_ptq}[sys.argv[1]](*sys.argv[2:])
