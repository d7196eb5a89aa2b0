# SPDX-License-Identifier: Apache-2.0
# The text in tests/data/tiny-llama/expected.json, as it appears; several prompts apart.
int8tool generate "$DATA/tiny-llama" --max-new-tokens 24 \
    --prompt 'The SELECT statement is used to' --prompt 'In Rust, a trait is'
# a model without a tokenizer: ids in, ids out
echo '[[3, 4], [5, 6, 7]]' >ids.json
int8tool generate "$DATA/tiny/opt" --tokens ids.json --max-new-tokens 2
