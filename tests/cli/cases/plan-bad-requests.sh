# SPDX-License-Identifier: Apache-2.0
# Requests that no plan can answer: one line that names the option.
. "$CLI/expect.sh"

m=$DATA/tiny-llama
refuses 2 "--max-memory*10 apples*" int8tool plan "$m" --max-memory "0=10 apples"
refuses 2 "--max-memory*-5*" int8tool plan "$m" --max-memory 0=-5
refuses 2 "--max-memory*2^64*" int8tool plan "$m" --max-memory 0=99999999999TB
refuses 2 "--max-memory*unknown device 'gpu'*" int8tool plan "$m" --max-memory gpu=1GB
refuses 2 "--max-memory*device 0 is named twice*" int8tool plan "$m" --max-memory 0=1GB,0=2GB
refuses 2 "*no usable device*" int8tool plan "$m" --max-memory disk
refuses 2 "*no usable device*" int8tool plan "$m" --max-memory 0=0
refuses 2 "*no usable device*GPU*" int8tool plan "$m" --max-memory cpu=1GB
refuses 2 "--gpus*FOO*" int8tool plan "$m" --gpus 2xFOO
refuses 2 "--gpus*out of range*" int8tool plan "$m" --gpus 0x24GiB
refuses 2 "--gpus and --max-memory*" int8tool plan "$m" --gpus T4 --max-memory 0=1GB
refuses 2 "--context*999999999999*" int8tool plan "$m" --context 999999999999
refuses 2 "*beyond what can be planned*" int8tool plan "$m" --context 900000000 --batch 1000000
refuses 2 "--context 16*16 new*" int8tool plan "$m" --context 16
refuses 1 "*no.json*" int8tool plan "$m" --sizes no.json
echo '{"lm_head.weight": -1}' >bad.json
refuses 1 "*bad.json*lm_head.weight*" int8tool plan "$m" --sizes bad.json
echo '[]' >list.json
refuses 1 "*list.json*object*" int8tool plan "$m" --check list.json
refuses 1 "balanced_low_0*KeyError*" int8tool plan "$m" --max-memory 1=9MB,3=9MB \
    --strategy accelerate-balanced_low_0
