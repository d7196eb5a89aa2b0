# SPDX-License-Identifier: Apache-2.0
"""LLaMA's, BLOOM's, OPT's and T5's forward passes in numpy, written from their definitions and with
the product of a Linear left open: exact in float64, or LLM.int8() as bitsandbytes does it.
"""
import numpy as np

import oracle

f16, f32, f64 = np.float16, np.float32, np.float64


def exact(weights):
    """A Linear in float64 from the stored weights."""
    def linear(x, module):
        y = x @ weights[f"{module}.weight"].numpy().astype(f64).T
        bias = weights.get(f"{module}.bias")
        return y if bias is None else y + bias.numpy().astype(f64)
    return linear


def llm_int8(weights, threshold=6.0):
    """Dettmers et al. 2022 as bitsandbytes has it: fp16 activations, columns that reach the
    threshold in any row apart, absmax of each row over what stays below it, exact integer
    products, the columns set apart times weights dequantized to fp16. threshold 0: plain."""
    plain = exact(weights)

    def linear(x, module):
        if f"{module}.SCB" not in weights:
            return plain(x, module)
        q = weights[f"{module}.weight"].numpy()
        scb = weights[f"{module}.SCB"].numpy().astype(f64)
        half = x.astype(f16)
        large = np.abs(half) >= f16(threshold) if threshold else np.zeros(half.shape, bool)
        columns = large.any(axis=0)
        rest = np.where(large, 0, half).astype(f32)
        absmax = np.abs(rest).max(axis=1)
        factor = oracle.scale(np.where(absmax > 0, absmax, f32(1)), "cuda")
        a = np.rint(rest * factor[:, None])
        a[:, columns] = 0
        y = (a.astype(f64) @ q.astype(f64).T) * absmax[:, None].astype(f64) * scb / 127**2
        dequantized = (q[:, columns] * scb[:, None] / 127).astype(f16)
        y += half[:, columns].astype(f64) @ dequantized.astype(f64).T
        bias = weights.get(f"{module}.bias")
        return y if bias is None else y + bias.numpy().astype(f64)
    return linear


def value(weights, name):
    return weights[name].numpy().astype(f64)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attend(q, k, v, scale, bias=0.0, causal=True):
    """q, k, v are (heads, tokens, width)."""
    scores = q @ k.transpose(0, 2, 1) * scale + bias
    if causal:
        scores = np.where(np.tri(q.shape[1], dtype=bool), scores, -np.inf)
    return softmax(scores) @ v


def heads(x, count):
    return x.reshape(len(x), count, -1).transpose(1, 0, 2)


def joined(x):
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def layer_norm(weights, name, x, eps):
    x = x - x.mean(axis=1, keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + eps)
    return x * value(weights, f"{name}.weight") + value(weights, f"{name}.bias")


def llama(config, weights, ids, linear):
    eps, count = config["rms_norm_eps"], config["num_attention_heads"]
    kv = config["num_key_value_heads"]
    width = config.get("head_dim") or config["hidden_size"] // count
    theta = config["rope_parameters"]["rope_theta"]
    angle = np.arange(len(ids))[:, None] * theta ** (-np.arange(0, width, 2) / width)
    cos, sin = np.cos(np.hstack([angle, angle])), np.sin(np.hstack([angle, angle]))

    def norm(x, name):
        return x / np.sqrt((x * x).mean(axis=1, keepdims=True) + eps) * value(
            weights, f"{name}.weight")

    def rotate(x):
        half = width // 2
        return x * cos + np.concatenate([-x[..., half:], x[..., :half]], axis=-1) * sin

    x = value(weights, "model.embed_tokens.weight")[ids]
    for i in range(config["num_hidden_layers"]):
        p = f"model.layers.{i}."
        h = norm(x, p + "input_layernorm")
        q, k, v = (heads(linear(h, f"{p}self_attn.{n}_proj"), c)
                   for n, c in (("q", count), ("k", kv), ("v", kv)))
        k, v = (np.repeat(t, count // kv, axis=0) for t in (rotate(k), v))
        x = x + linear(joined(attend(rotate(q), k, v, width**-0.5)), p + "self_attn.o_proj")
        h = norm(x, p + "post_attention_layernorm")
        gate = linear(h, p + "mlp.gate_proj")
        h = gate / (1 + np.exp(-gate)) * linear(h, p + "mlp.up_proj")
        x = x + linear(h, p + "mlp.down_proj")
    head = "lm_head.weight" if "lm_head.weight" in weights else "model.embed_tokens.weight"
    return norm(x, "model.norm") @ value(weights, head).T


def bloom(config, weights, ids, linear):
    eps, count = config["layer_norm_epsilon"], config["n_head"]
    hidden = config["hidden_size"]
    near = 2 ** int(np.floor(np.log2(count)))
    slopes = [2.0 ** (-8 / near * (i + 1)) for i in range(near)]
    slopes += [2.0 ** (-4 / near * (2 * i + 1)) for i in range(count - near)]
    alibi = np.array(slopes)[:, None, None] * np.arange(len(ids))[None, None, :]

    t = "transformer."
    x = layer_norm(weights, t + "word_embeddings_layernorm",
                   value(weights, t + "word_embeddings.weight")[ids], eps)
    for i in range(config["n_layer"]):
        p = f"{t}h.{i}."
        h = layer_norm(weights, p + "input_layernorm", x, eps)
        # The rows of the fused projection: for each head its q, k, v.
        fused = linear(h, p + "self_attention.query_key_value").reshape(len(ids), count, 3, -1)
        q, k, v = (fused[:, :, j].transpose(1, 0, 2) for j in range(3))
        a = joined(attend(q, k, v, (hidden // count) ** -0.5, alibi))
        x = x + linear(a, p + "self_attention.dense")
        h = layer_norm(weights, p + "post_attention_layernorm", x, eps)
        h = linear(h, p + "mlp.dense_h_to_4h")
        h = h * 0.5 * (1 + np.tanh(0.79788456 * h * (1 + 0.044715 * h * h)))
        x = x + linear(h, p + "mlp.dense_4h_to_h")
    x = layer_norm(weights, t + "ln_f", x, eps)
    return x @ value(weights, t + "word_embeddings.weight").T


def opt(config, weights, ids, linear):
    """Pre-norm OPT."""
    count = config["num_attention_heads"]
    d = "model.decoder."
    x = (value(weights, d + "embed_tokens.weight")[ids]
         + value(weights, d + "embed_positions.weight")[np.arange(len(ids)) + 2])
    for i in range(config["num_hidden_layers"]):
        p = f"{d}layers.{i}."
        h = layer_norm(weights, p + "self_attn_layer_norm", x, 1e-5)
        q, k, v = (heads(linear(h, f"{p}self_attn.{n}_proj"), count) for n in "qkv")
        a = joined(attend(q, k, v, (config["hidden_size"] // count) ** -0.5))
        x = x + linear(a, p + "self_attn.out_proj")
        h = layer_norm(weights, p + "final_layer_norm", x, 1e-5)
        x = x + linear(np.maximum(linear(h, p + "fc1"), 0), p + "fc2")
    x = layer_norm(weights, d + "final_layer_norm", x, 1e-5)
    return x @ value(weights, d + "embed_tokens.weight").T


def t5_bias(config, weights, stack, n):
    """The relative position bias that a stack's first block holds: (heads, n, n)."""
    buckets = config["relative_attention_num_buckets"]
    distance = np.arange(n)[None, :] - np.arange(n)[:, None]  # key - query
    bucket = np.zeros((n, n), int)
    if stack == "encoder":
        buckets //= 2
        bucket += (distance > 0) * buckets
        distance = np.abs(distance)
    else:
        distance = np.maximum(-distance, 0)
    near = buckets // 2
    far = config["relative_attention_max_distance"]
    # transformers takes these logarithms in float32, and a bucket's edge may depend on it.
    ratio = np.log(np.maximum(distance, 1).astype(f32) / near) / f32(np.log(far / near))
    large = np.minimum(near + (ratio * f32(buckets - near)).astype(int), buckets - 1)
    bucket += np.where(distance < near, distance, large)
    name = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    return value(weights, name)[bucket].transpose(2, 0, 1)


def t5(config, weights, pair, linear):
    """pair: encoder ids, decoder ids."""
    eps, count = config["layer_norm_epsilon"], config["num_heads"]
    shared = value(weights, "shared.weight")

    def norm(x, name):
        return x / np.sqrt((x * x).mean(axis=1, keepdims=True) + eps) * value(
            weights, f"{name}.weight")

    def attention(p, x, source, bias, causal):
        q = heads(linear(x, p + "q"), count)
        k, v = (heads(linear(source, p + n), count) for n in "kv")
        return linear(joined(attend(q, k, v, 1.0, bias, causal)), p + "o")

    def mlp(p, x):
        if f"{p}wi.weight" in weights:
            return linear(np.maximum(linear(x, p + "wi"), 0), p + "wo")
        gate = linear(x, p + "wi_0")
        gate = 0.5 * gate * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))
        return linear(gate * linear(x, p + "wi_1"), p + "wo")

    def run(stack, ids, layers, source=None):
        x = shared[ids]
        bias = t5_bias(config, weights, stack, len(ids))
        for i in range(layers):
            p = f"{stack}.block.{i}.layer."
            h = norm(x, p + "0.layer_norm")
            x = x + attention(p + "0.SelfAttention.", h, h, bias, source is not None)
            if source is not None:
                h = norm(x, p + "1.layer_norm")
                x = x + attention(p + "1.EncDecAttention.", h, source, 0.0, False)
            last = 1 if source is None else 2
            x = x + mlp(f"{p}{last}.DenseReluDense.", norm(x, f"{p}{last}.layer_norm"))
        return norm(x, f"{stack}.final_layer_norm")

    encoded = run("encoder", pair[0], config["num_layers"])
    x = run("decoder", pair[1], config["num_decoder_layers"], encoded)
    if config.get("scale_decoder_outputs", config["tie_word_embeddings"]):
        x = x * config["d_model"] ** -0.5
    return x @ (value(weights, "lm_head.weight").T if "lm_head.weight" in weights else shared.T)


FORWARD = {"llama": llama, "bloom": bloom, "opt": opt, "t5": t5}


def logits(config, weights, inputs, linear):
    """inputs: the arrays of a golden file. Every row is a batch of its own, as a window of
    verify is."""
    forward = FORWARD[config["model_type"]]
    rows = inputs["input_ids"]
    if "decoder_input_ids" in inputs:
        rows = list(zip(rows, inputs["decoder_input_ids"]))
    return np.stack([forward(config, weights, row, linear) for row in rows])
