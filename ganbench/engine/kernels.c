/* The operations of a recorded update, run for one member after another on fixed memory.

   Compiled once on each machine, with REAL as float or double (engine/kernels.py), and called with a list of operations
   that engine/lowering.py made. Each operand is a strided view into one of the arrays `bases`; the first array is a
   workspace that all members share, so what one member computes stays in the cache. */

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef REAL T;

#define DIMS 5

/* A view: which array, and from which element on; a stride for each dimension of its operation. */
typedef struct {
    int64_t base, offset, stride[DIMS];
} Operand;

typedef struct {
    int64_t code, dims, size[DIMS];
    double number[2];
    Operand operand[4]; /* the first one is written */
} Operation;

/* BLAS's gemm in Fortran's convention: matrices lie column by column */
typedef void (*Gemm)(const char *, const char *, const int *, const int *, const int *, const T *, const T *,
                     const int *, const T *, const int *, const T *, T *, const int *);

#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
/* glibc's vector library has these; the compiler may use it for loops once it knows */
#define VECTOR __attribute__((simd("notinbranch")))
extern VECTOR float expf(float);
extern VECTOR double exp(double);
extern VECTOR float logf(float);
extern VECTOR double log(double);
extern VECTOR float tanhf(float);
extern VECTOR double tanh(double);
extern VECTOR float log1pf(float);
extern VECTOR double log1p(double);
extern VECTOR float expm1f(float);
extern VECTOR double expm1(double);
extern VECTOR float erff(float);
extern VECTOR double erf(double);
extern VECTOR float sinf(float);
extern VECTOR double sin(double);
extern VECTOR float cosf(float);
extern VECTOR double cos(double);
extern VECTOR float powf(float, float);
extern VECTOR double pow(double, double);
#endif

#define OF(name) _Generic((T)0, float: name##f, double: name)

enum {
    /* of one number */
    COPY, NEG, RECIPROCAL, SQRT, RSQRT, SQUARE, EXP, LOG, LOG1P, EXPM1, TANH, SIGMOID, SOFTPLUS, RELU, ABS, SIGN, ERF,
    SIN, COS, FINITE, NOT,
    /* of one number and constants */
    FILL, ADD_NUMBER, MULTIPLY_NUMBER, POWER_NUMBER, AT_LEAST, AT_MOST, LEAKY, EQUAL_NUMBER, UNEQUAL_NUMBER,
    GREATER_NUMBER, LESS_NUMBER, ABOVE_NUMBER, BELOW_NUMBER,
    /* of two numbers */
    ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER, MAXIMUM, MINIMUM, EQUAL, UNEQUAL, GREATER, LESS, ABOVE, BELOW, AND, OR,
    RELU_GRADIENT, LEAKY_GRADIENT, TANH_GRADIENT, SIGMOID_GRADIENT, ADD_RELU,
    /* of three numbers */
    CHOOSE,
    /* over the last dimensions, from number[1] on */
    SUM, LARGEST, SMALLEST,
    PRODUCT
};

/* The innermost loop of an operation: over n numbers, with fast forms for contiguous and for repeated operands. */
#define LOOP(expression)                                                                                               \
    {                                                                                                                  \
        if (so == 1 && sa == 1 && sb == 1)                                                                             \
            for (int64_t i = 0; i < n; i++) { const T a = pa[i], b = pb[i]; (void)b; o[i] = (expression); }            \
        else if (so == 1 && sa == 1 && sb == 0) {                                                                      \
            const T b = pb[0];                                                                                         \
            (void)b;                                                                                                   \
            for (int64_t i = 0; i < n; i++) { const T a = pa[i]; o[i] = (expression); }                                \
        } else if (so == 1 && sa == 0 && sb == 1) {                                                                    \
            const T a = pa[0];                                                                                         \
            for (int64_t i = 0; i < n; i++) { const T b = pb[i]; (void)b; o[i] = (expression); }                       \
        } else                                                                                                         \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                const T a = pa[i * sa], b = pb[i * sb];                                                                \
                (void)b;                                                                                               \
                o[i * so] = (expression);                                                                              \
            }                                                                                                          \
    }                                                                                                                  \
    break;

static T softplus(T x) { return x > 20 ? x : OF(log1p)(OF(exp)(x)); }

static void apply(const Operation *op, T *restrict o, int64_t so, const T *pa, int64_t sa, const T *pb, int64_t sb,
                  const T *pc, int64_t sc, int64_t n)
{
    const T c0 = (T)op->number[0];
    switch (op->code) {
    case COPY: LOOP(a)
    case NEG: LOOP(-a)
    case RECIPROCAL: LOOP(1 / a)
    case SQRT: LOOP(OF(sqrt)(a))
    case RSQRT: LOOP(1 / OF(sqrt)(a))
    case SQUARE: LOOP(a * a)
    case EXP: LOOP(OF(exp)(a))
    case LOG: LOOP(OF(log)(a))
    case LOG1P: LOOP(OF(log1p)(a))
    case EXPM1: LOOP(OF(expm1)(a))
    case TANH: LOOP(OF(tanh)(a))
    case SIGMOID: LOOP(1 / (1 + OF(exp)(-a)))
    case SOFTPLUS: LOOP(softplus(a))
    case RELU: LOOP(a <= 0 ? 0 : a)
    case ABS: LOOP(OF(fabs)(a))
    case SIGN: LOOP((T)((a > 0) - (a < 0)))
    case ERF: LOOP(OF(erf)(a))
    case SIN: LOOP(OF(sin)(a))
    case COS: LOOP(OF(cos)(a))
    case FINITE: LOOP((T)(a - a == 0))
    case NOT: LOOP((T)(a == 0))
    case FILL: LOOP(c0)
    case ADD_NUMBER: LOOP(a + c0)
    case MULTIPLY_NUMBER: LOOP(a * c0)
    case POWER_NUMBER: LOOP(OF(pow)(a, c0))
    case AT_LEAST: LOOP(a < c0 ? c0 : a)
    case AT_MOST: LOOP(a > c0 ? c0 : a)
    case LEAKY: LOOP(a > 0 ? a : a * c0)
    case EQUAL_NUMBER: LOOP((T)(a == c0))
    case UNEQUAL_NUMBER: LOOP((T)(a != c0))
    case GREATER_NUMBER: LOOP((T)(a > c0))
    case LESS_NUMBER: LOOP((T)(a < c0))
    case ABOVE_NUMBER: LOOP((T)(a >= c0))
    case BELOW_NUMBER: LOOP((T)(a <= c0))
    case ADD: LOOP(a + c0 * b)
    case SUBTRACT: LOOP(a - c0 * b)
    case MULTIPLY: LOOP(a * b)
    case DIVIDE: LOOP(a / b)
    case POWER: LOOP(OF(pow)(a, b))
    case MAXIMUM: LOOP(a != a || a > b ? a : b)
    case MINIMUM: LOOP(a != a || a < b ? a : b)
    case EQUAL: LOOP((T)(a == b))
    case UNEQUAL: LOOP((T)(a != b))
    case GREATER: LOOP((T)(a > b))
    case LESS: LOOP((T)(a < b))
    case ABOVE: LOOP((T)(a >= b))
    case BELOW: LOOP((T)(a <= b))
    case AND: LOOP((T)((a != 0) & (b != 0)))
    case OR: LOOP((T)((a != 0) | (b != 0)))
    case RELU_GRADIENT: LOOP(b <= c0 ? 0 : a)
    case LEAKY_GRADIENT: LOOP(b > 0 ? a : a * c0)
    case TANH_GRADIENT: LOOP(a * (1 - b * b))
    case SIGMOID_GRADIENT: LOOP(a * (1 - b) * b)
    case ADD_RELU: LOOP(a + b <= 0 ? 0 : a + b)
    case CHOOSE:
        for (int64_t i = 0; i < n; i++) o[i * so] = pa[i * sa] != 0 ? pb[i * sb] : pc[i * sc];
        break;
    }
}

/* Whether sizes have a next index; the index is moved there, and the element of each operand with it. */
static int advance(const Operation *op, int from, int to, int64_t *index, T **p, int operands)
{
    for (int d = to - 1; d >= from; d--) {
        for (int k = 0; k < operands; k++) p[k] += op->operand[k].stride[d];
        if (++index[d] < op->size[d]) return 1;
        for (int k = 0; k < operands; k++) p[k] -= op->operand[k].stride[d] * op->size[d];
        index[d] = 0;
    }
    return 0;
}

static void elementwise(const Operation *op, T **p)
{
    int64_t index[DIMS] = {0};
    const int last = (int)op->dims - 1;
    const Operand *x = op->operand;
    do
        apply(op, p[0], x[0].stride[last], p[1], x[1].stride[last], p[2], x[2].stride[last], p[3], x[3].stride[last],
              op->size[last]);
    while (advance(op, 0, last, index, p, 4));
}

#define REDUCE(first, step)                                                                                            \
    {                                                                                                                  \
        T r = (first);                                                                                                 \
        if (s == 1)                                                                                                    \
            for (int64_t i = 0; i < n; i++) { const T x = a[i]; r = (step); }                                          \
        else                                                                                                           \
            for (int64_t i = 0; i < n; i++) { const T x = a[i * s]; r = (step); }                                      \
        return r;                                                                                                      \
    }

static T sum_up(const T *a, int64_t s, int64_t n) REDUCE(0, r + x)
static T find_largest(const T *a, int64_t s, int64_t n) REDUCE(a[0], (x != x || x > r) ? x : r)
static T find_smallest(const T *a, int64_t s, int64_t n) REDUCE(a[0], (x != x || x < r) ? x : r)

/* Dimensions before `kept` are those of the result; the others are reduced. The last one is reduced in a line, but
   where the result's last one is contiguous, sums go line by line. */
static void reduce(const Operation *op, T **p)
{
    const int kept = (int)op->number[1], dims = (int)op->dims, last = dims - 1;
    const Operand *out = &op->operand[0], *in = &op->operand[1];
    const T scale = (T)op->number[0];
    int64_t index[DIMS] = {0};
    if (op->code == SUM && kept > 0 && out->stride[kept - 1] == 1 && in->stride[kept - 1] == 1) {
        const int64_t n = op->size[kept - 1];
        do {
            T *const o = p[0];
            T *q[2] = {p[0], p[1]};
            int64_t inner[DIMS] = {0};
            memset(o, 0, (size_t)n * sizeof(T));
            do
                for (int64_t i = 0; i < n; i++) o[i] += q[1][i];
            while (advance(op, kept, dims, inner, q, 2));
            if (scale != 1)
                for (int64_t i = 0; i < n; i++) o[i] *= scale;
        } while (advance(op, 0, kept - 1, index, p, 2));
        return;
    }
    do {
        T *q[2] = {p[0], p[1]}, result = 0;
        int64_t inner[DIMS] = {0};
        int first = 1;
        do {
            const int64_t s = in->stride[last], n = op->size[last];
            const T part = op->code == SUM ? sum_up(q[1], s, n)
                         : op->code == LARGEST ? find_largest(q[1], s, n) : find_smallest(q[1], s, n);
            if (first) result = part;
            else if (op->code == SUM) result += part;
            else if (op->code == LARGEST) result = part != part || part > result ? part : result;
            else result = part != part || part < result ? part : result;
            first = 0;
        } while (advance(op, kept, last, inner, q, 2));
        *p[0] = result * scale;
    } while (advance(op, 0, kept, index, p, 2));
}

/* C [m, n] = A [m, k] B [k, n]; size is m, k, n; each operand has the strides of its rows and columns. */
static void multiply(const Operation *op, T **p, Gemm gemm)
{
    const Operand *c = &op->operand[0], *a = &op->operand[1], *b = &op->operand[2];
    const int m = (int)op->size[0], k = (int)op->size[1], n = (int)op->size[2];
    const T one = 1, zero = 0;
    const int ta = a->stride[1] != 1, tb = b->stride[1] != 1;
    const int la = (int)a->stride[ta], lb = (int)b->stride[tb], lc = (int)c->stride[0];
    /* what lies row by row is its transpose column by column: C' = B' A' */
    gemm(tb ? "T" : "N", ta ? "T" : "N", &n, &m, &k, &one, p[2], &lb, p[1], &la, &zero, p[0], &lc);
}

/* One step of Adam for each of `count` arrays: parameters p, gradients g, moments m and v. `rate` is the learning rate
   over the correction of m, `root` the square root of that of v, and `part` is 1 - beta1. */
void step_adam(int64_t count, T *const *p, T *const *g, T *const *m, T *const *v, const int64_t *sizes, double rate,
               double part, double beta2, double root, double eps)
{
    const T r = (T)rate, a = (T)part, b = (T)beta2, c = (T)(1 - beta2), s = (T)root, e = (T)eps;
    for (int64_t k = 0; k < count; k++) {
        T *restrict x = p[k], *restrict first = m[k], *restrict second = v[k];
        const T *restrict slope = g[k];
        for (int64_t i = 0; i < sizes[k]; i++) {
            first[i] += a * (slope[i] - first[i]);
            second[i] = b * second[i] + c * slope[i] * slope[i];
            x[i] -= r * first[i] / (OF(sqrt)(second[i]) / s + e);
        }
    }
}

void run_operations(const Operation *operations, int64_t count, T *const *bases, const int64_t *member_strides,
                    int64_t arrays, int64_t members, Gemm gemm)
{
    T *here[arrays];
    for (int64_t member = 0; member < members; member++) {
        for (int64_t k = 0; k < arrays; k++) here[k] = bases[k] + member * member_strides[k];
        for (int64_t j = 0; j < count; j++) {
            const Operation *op = &operations[j];
            T *p[4];
            for (int k = 0; k < 4; k++) p[k] = here[op->operand[k].base] + op->operand[k].offset;
            if (op->code == PRODUCT) multiply(op, p, gemm);
            else if (op->code >= SUM) reduce(op, p);
            else elementwise(op, p);
        }
    }
}
