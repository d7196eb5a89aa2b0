# The generated completion, asked as bash would ask it: complete WORD … completes the
# last word.
int8tool --generate bash >completion
bash -uc '
. ./completion
complete_words() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _int8tool 2>/dev/null # compopt complains outside a completion
    echo "$* -> ${COMPREPLY[*]}"
}
touch file-a file-b
complete_words int8tool insp
complete_words int8tool help dev
complete_words int8tool inspect --t
complete_words int8tool inspect file
complete_words int8tool devices --ch
'
