/* SPDX-License-Identifier: Apache-2.0
 *
 * The stack machine for pickle protocol 2: the opcodes that PyTorch's own restricted
 * unpickler accepts, less those that weights never use. Memory is bounded by a multiple
 * of the pickle's length, and so is time: no opcode looks further than what it takes.
 */
#include "config.h"

#include "base/utf8.h"
#include "checkpoint/pickle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STACK         ((size_t)1 << 20)
#define MAX_MEMO          ((size_t)1 << 20)
#define MAX_STRING_LENGTH ((size_t)64 << 10)

/* The opcodes (pickletools has their full descriptions). */
enum opcode {
    OP_PROTO = 0x80,
    OP_STOP = '.',
    OP_GLOBAL = 'c',
    OP_REDUCE = 'R',
    OP_BUILD = 'b',
    OP_APPEND = 'a',
    OP_APPENDS = 'e',
    OP_SETITEM = 's',
    OP_SETITEMS = 'u',
    OP_MARK = '(',
    OP_TUPLE = 't',
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_NONE = 'N',
    OP_NEWTRUE = 0x88,
    OP_NEWFALSE = 0x89,
    OP_EMPTY_TUPLE = ')',
    OP_EMPTY_LIST = ']',
    OP_EMPTY_DICT = '}',
    OP_EMPTY_SET = 0x8f,
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_BININT2 = 'M',
    OP_BINFLOAT = 'G',
    OP_BINUNICODE = 'X',
    OP_SHORT_BINSTRING = 'U',
    OP_LONG1 = 0x8a,
    OP_BINPERSID = 'Q',
    OP_BINGET = 'h',
    OP_LONG_BINGET = 'j',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
};

typedef struct i8i_pickle_machine machine;
typedef struct i8i_pickle_value value;

static value mark = {.kind = I8I_PICKLE_MARK};
static value none = {.kind = I8I_PICKLE_NONE};
static value opaque = {.kind = I8I_PICKLE_OPAQUE};
static value yes = {.kind = I8I_PICKLE_BOOL, .integer = 1};
static value no = {.kind = I8I_PICKLE_BOOL, .integer = 0};

enum i8_status i8i_pickle_fault(const machine *m, const char *expected)
{
    return i8i_fail(m->err, I8_ERR_DATA, "%s: bad pickle at byte %zu: expected %s",
                    m->what, m->at, expected);
}

void *i8i_pickle_alloc(machine *m, size_t n)
{
    void *p = n <= m->budget ? i8i_arena_alloc(&m->arena, n) : NULL;
    if (p == NULL)
        i8i_fail(m->err, I8_ERR_NOMEM, "%s: no memory for the pickle's values", m->what);
    else
        m->budget -= n;
    return p;
}

value *i8i_pickle_new(machine *m, enum i8i_pickle_kind kind)
{
    value *v = i8i_pickle_alloc(m, sizeof *v);
    if (v != NULL)
        v->kind = kind;
    return v;
}

static enum i8_status push(machine *m, value *v)
{
    if (v == NULL) /* of a failed i8i_pickle_new */
        return I8_ERR_NOMEM;
    if (m->depth == MAX_STACK)
        return i8i_pickle_fault(m, "a shallower stack");
    if (!i8i_grow(&m->stack, &m->stack_capacity, m->depth + 1, sizeof(value *)))
        return i8i_nomem(m->err);
    m->stack[m->depth++] = v;
    return I8_OK;
}

/* Are there n values above the last mark? */
static bool has(const machine *m, size_t n)
{
    if (n > m->depth)
        return false;
    for (size_t i = m->depth - n; i < m->depth; i++)
        if (m->stack[i] == &mark)
            return false;
    return true;
}

/* The top of the stack taken off; NULL if there is none above the last mark. */
static value *pop(machine *m)
{
    return has(m, 1) ? m->stack[--m->depth] : NULL;
}

static value *top(const machine *m)
{
    return m->depth > 0 ? m->stack[m->depth - 1] : &none;
}

/* The index behind the last mark; 0 if there is no mark. */
static size_t behind_mark(const machine *m)
{
    size_t i = m->depth;
    while (i > 0 && m->stack[i - 1] != &mark)
        i--;
    return i;
}

/* ---- operands ---- */

/* The n bytes behind the cursor, which moves on; NULL at the end. */
static const unsigned char *take(machine *m, size_t *cursor, uint64_t n)
{
    if (n > m->length - *cursor)
        return NULL;
    const unsigned char *p = m->bytes + *cursor;
    *cursor += (size_t)n;
    return p;
}

static bool take_number(machine *m, size_t *cursor, size_t bytes, uint64_t *out)
{
    const unsigned char *p = take(m, cursor, bytes);
    *out = 0;
    for (size_t i = bytes; p != NULL && i-- > 0;)
        *out = *out << 8 | p[i];
    return p != NULL;
}

/* The text up to a newline, NUL-terminated. */
static enum i8_status take_line(machine *m, size_t *cursor, const char **out)
{
    const unsigned char *from = m->bytes + *cursor;
    const unsigned char *end = memchr(from, '\n', m->length - *cursor);
    const size_t n = end != NULL ? (size_t)(end - from) : 0;
    if (end == NULL || n > MAX_STRING_LENGTH)
        return i8i_pickle_fault(m, "a module and a name");
    char *line = i8i_pickle_alloc(m, n + 1);
    if (line == NULL)
        return I8_ERR_NOMEM;
    memcpy(line, from, n);
    *cursor += n + 1;
    *out = line;
    return I8_OK;
}

static enum i8_status push_integer(machine *m, int64_t v)
{
    value *n = i8i_pickle_new(m, I8I_PICKLE_INT);
    if (n != NULL)
        n->integer = v;
    return push(m, n);
}

/* LONG1: little-endian two's complement of up to 255 bytes. What does not fit 64 bits
 * is no size of ours. */
static enum i8_status push_long(machine *m, size_t *cursor)
{
    uint64_t n, bits = 0;
    const unsigned char *p = NULL;
    if (take_number(m, cursor, 1, &n))
        p = take(m, cursor, n);
    if (p == NULL)
        return i8i_pickle_fault(m, "a whole LONG1");
    if (n > sizeof bits)
        return push(m, &opaque);
    for (size_t i = n; i-- > 0;)
        bits = bits << 8 | p[i];
    if (n > 0 && n < sizeof bits && p[n - 1] >= 0x80)
        bits |= ~(uint64_t)0 << (8 * n);
    return push_integer(m, (int64_t)bits);
}

static enum i8_status push_string(machine *m, size_t *cursor, size_t length_bytes)
{
    uint64_t n;
    const unsigned char *p = NULL;
    if (take_number(m, cursor, length_bytes, &n) && n <= MAX_STRING_LENGTH)
        p = take(m, cursor, n);
    if (p == NULL)
        return i8i_pickle_fault(m, "a whole string of at most 65536 bytes");
    if (memchr(p, 0, n) != NULL || !i8i_utf8_is_valid((const char *)p, n))
        return i8i_pickle_fault(m, "a string of UTF-8 without NUL bytes");
    char *copy = i8i_pickle_alloc(m, (size_t)n + 1);
    if (copy == NULL)
        return I8_ERR_NOMEM;
    memcpy(copy, p, n);
    value *v = i8i_pickle_new(m, I8I_PICKLE_STRING);
    if (v != NULL)
        v->string = copy;
    return push(m, v);
}

static enum i8_status push_global(machine *m, size_t *cursor)
{
    const char *module, *name;
    enum i8_status st = take_line(m, cursor, &module);
    if (st == I8_OK)
        st = take_line(m, cursor, &name);
    if (st != I8_OK)
        return st;
    value *v = i8i_pickle_new(m, I8I_PICKLE_NAME);
    if (v == NULL)
        return I8_ERR_NOMEM;
    v->name = i8i_torch_find(module, name);
    if (v->name == NULL)
        return i8i_fail(
            m->err, I8_ERR_UNSUPPORTED,
            "%s: the pickle asks for '%.100s.%.100s', which is none of the few "
            "names that weights need; nothing was run",
            m->what, module, name);
    return push(m, v);
}

/* ---- containers ---- */

static enum i8_status append(machine *m, value *to, value *const *items, size_t n)
{
    if (to->list.capacity - to->list.count < n) {
        const size_t grown = 2 * to->list.capacity + n;
        value **bigger = i8i_pickle_alloc(m, grown * sizeof *bigger);
        if (bigger == NULL)
            return I8_ERR_NOMEM;
        if (to->list.count > 0)
            memcpy(bigger, to->list.items, to->list.count * sizeof *bigger);
        to->list.items = bigger;
        to->list.capacity = grown;
    }
    if (n > 0)
        memcpy(to->list.items + to->list.count, items, n * sizeof *items);
    to->list.count += n;
    return I8_OK;
}

/* The top n values as a tuple in their place. */
static enum i8_status make_tuple(machine *m, size_t n)
{
    if (!has(m, n))
        return i8i_pickle_fault(m, "as many values as the tuple has");
    value *t = i8i_pickle_new(m, I8I_PICKLE_TUPLE);
    enum i8_status st = t == NULL ? I8_ERR_NOMEM : I8_OK;
    if (st == I8_OK && n > 0)
        st = append(m, t, m->stack + m->depth - n, n);
    if (st != I8_OK)
        return st;
    m->depth -= n;
    return push(m, t);
}

static enum i8_status make_marked_tuple(machine *m)
{
    const size_t from = behind_mark(m);
    if (from == 0)
        return i8i_pickle_fault(m, "a mark before the tuple");
    enum i8_status st = make_tuple(m, m->depth - from);
    if (st != I8_OK)
        return st;
    m->stack[from - 1] = m->stack[from]; /* over the mark */
    m->depth--;
    return I8_OK;
}

/* Moves the values from index `from` on into the container below them (and below the
 * mark, if marked). */
static enum i8_status extend(machine *m, enum i8i_pickle_kind kind, size_t from,
                             bool marked)
{
    const size_t below = from - (marked ? 1 : 0);
    if (from > m->depth || below == 0 || m->stack[below - 1]->kind != kind)
        return i8i_pickle_fault(m, kind == I8I_PICKLE_LIST ? "a list to append to"
                                                           : "a dictionary to set in");
    const size_t n = m->depth - from;
    if (kind == I8I_PICKLE_DICT && n % 2 != 0)
        return i8i_pickle_fault(m, "keys with values");
    enum i8_status st = append(m, m->stack[below - 1], m->stack + from, n);
    m->depth = below;
    return st;
}

static enum i8_status extend_marked(machine *m, enum i8i_pickle_kind kind)
{
    const size_t from = behind_mark(m);
    return from == 0 ? i8i_pickle_fault(m, "a mark") : extend(m, kind, from, true);
}

static enum i8_status extend_by(machine *m, enum i8i_pickle_kind kind, size_t n)
{
    if (!has(m, n))
        return i8i_pickle_fault(m, "values on the stack");
    return extend(m, kind, m->depth - n, false);
}

/* ---- memo, calls ---- */

static enum i8_status put(machine *m, size_t *cursor, size_t bytes)
{
    uint64_t i;
    if (!take_number(m, cursor, bytes, &i) || i >= MAX_MEMO)
        return i8i_pickle_fault(m, "a memo number below 2^20");
    if (m->depth == 0 || top(m) == &mark)
        return i8i_pickle_fault(m, "a value to remember");
    if (!i8i_grow(&m->memo, &m->memo_capacity, (size_t)i + 1, sizeof(value *)))
        return i8i_nomem(m->err);
    for (; m->memo_size <= i; m->memo_size++)
        m->memo[m->memo_size] = NULL;
    m->memo[i] = top(m);
    return I8_OK;
}

static enum i8_status get(machine *m, size_t *cursor, size_t bytes)
{
    uint64_t i;
    if (!take_number(m, cursor, bytes, &i) || i >= m->memo_size || m->memo[i] == NULL)
        return i8i_pickle_fault(m, "a memo number that was set");
    return push(m, m->memo[i]);
}

static enum i8_status reduce(machine *m)
{
    const value *args = pop(m), *callable = args != NULL ? pop(m) : NULL;
    if (callable == NULL || args->kind != I8I_PICKLE_TUPLE ||
        callable->kind != I8I_PICKLE_NAME)
        return i8i_pickle_fault(m, "a name and its arguments to call");
    value *result;
    enum i8_status st = i8i_torch_call(m, &result, callable, args);
    return st == I8_OK ? push(m, result) : st;
}

static enum i8_status load_persistent(machine *m)
{
    const value *id = pop(m);
    if (id == NULL)
        return i8i_pickle_fault(m, "a persistent id");
    value *result;
    enum i8_status st = i8i_torch_storage(m, &result, id);
    return st == I8_OK ? push(m, result) : st;
}

/* Sets attributes. An OrderedDict of weights carries its module versions so; they are
 * of no use here. */
static enum i8_status build(machine *m)
{
    const value *state = pop(m);
    if (state == NULL || top(m)->kind != I8I_PICKLE_DICT)
        return i8i_pickle_fault(m, "attributes of a dictionary only");
    return I8_OK;
}

static enum i8_status check_protocol(machine *m, size_t *cursor)
{
    uint64_t protocol;
    if (!take_number(m, cursor, 1, &protocol))
        return i8i_pickle_fault(m, "a protocol number");
    if (protocol != 2)
        return i8i_fail(m->err, I8_ERR_UNSUPPORTED,
                        "%s: pickle protocol %d; PyTorch writes 2", m->what,
                        (int)protocol);
    return I8_OK;
}

/* One opcode; *cursor stands behind it and moves behind its operands. */
static enum i8_status step(machine *m, unsigned char op, size_t *cursor)
{
    uint64_t n;
    switch ((enum opcode)op) {
    case OP_PROTO:
        return check_protocol(m, cursor);
    case OP_GLOBAL:
        return push_global(m, cursor);
    case OP_REDUCE:
        return reduce(m);
    case OP_BUILD:
        return build(m);
    case OP_BINPERSID:
        return load_persistent(m);
    case OP_APPEND:
        return extend_by(m, I8I_PICKLE_LIST, 1);
    case OP_APPENDS:
        return extend_marked(m, I8I_PICKLE_LIST);
    case OP_SETITEM:
        return extend_by(m, I8I_PICKLE_DICT, 2);
    case OP_SETITEMS:
        return extend_marked(m, I8I_PICKLE_DICT);
    case OP_MARK:
        return push(m, &mark);
    case OP_TUPLE:
        return make_marked_tuple(m);
    case OP_EMPTY_TUPLE:
        return make_tuple(m, 0);
    case OP_TUPLE1:
        return make_tuple(m, 1);
    case OP_TUPLE2:
        return make_tuple(m, 2);
    case OP_TUPLE3:
        return make_tuple(m, 3);
    case OP_NONE:
        return push(m, &none);
    case OP_NEWTRUE:
        return push(m, &yes);
    case OP_NEWFALSE:
        return push(m, &no);
    case OP_EMPTY_LIST:
        return push(m, i8i_pickle_new(m, I8I_PICKLE_LIST));
    case OP_EMPTY_DICT:
        return push(m, i8i_pickle_new(m, I8I_PICKLE_DICT));
    case OP_EMPTY_SET:
        return push(m, &opaque);
    case OP_BINFLOAT:
        return take(m, cursor, 8) != NULL ? push(m, &opaque)
                                          : i8i_pickle_fault(m, "a whole BINFLOAT");
    case OP_BININT:
        return take_number(m, cursor, 4, &n) ? push_integer(m, (int32_t)(uint32_t)n)
                                             : i8i_pickle_fault(m, "a whole BININT");
    case OP_BININT1:
        return take_number(m, cursor, 1, &n) ? push_integer(m, (int64_t)n)
                                             : i8i_pickle_fault(m, "a whole BININT1");
    case OP_BININT2:
        return take_number(m, cursor, 2, &n) ? push_integer(m, (int64_t)n)
                                             : i8i_pickle_fault(m, "a whole BININT2");
    case OP_LONG1:
        return push_long(m, cursor);
    case OP_BINUNICODE:
        return push_string(m, cursor, 4);
    case OP_SHORT_BINSTRING:
        return push_string(m, cursor, 1);
    case OP_BINGET:
        return get(m, cursor, 1);
    case OP_LONG_BINGET:
        return get(m, cursor, 4);
    case OP_BINPUT:
        return put(m, cursor, 1);
    case OP_LONG_BINPUT:
        return put(m, cursor, 4);
    case OP_STOP:
        break; /* run() ends there */
    }
    return i8i_fail(m->err, I8_ERR_UNSUPPORTED,
                    "%s: pickle opcode 0x%02x at byte %zu, which weights do not need",
                    m->what, op, m->at);
}

enum i8_status i8i_pickle_run(const struct i8i_pickle_value **out, machine *m)
{
    size_t cursor = 0;
    *out = NULL;
    for (;;) {
        m->at = cursor;
        if (cursor == m->length)
            return i8i_pickle_fault(m, "an opcode: cut short?");
        const unsigned char op = m->bytes[cursor++];
        if (op == OP_STOP)
            break;
        enum i8_status st = step(m, op, &cursor);
        if (st != I8_OK)
            return st;
    }
    if (m->depth != 1 || cursor != m->length)
        return i8i_pickle_fault(m, "one value and the end of the pickle");
    *out = m->stack[0];
    return I8_OK;
}
