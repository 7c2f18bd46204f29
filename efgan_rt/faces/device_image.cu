/* A picture on a GPU as faces are looked for and framed in it: made smaller, turned, shown.

   One source for two compilers: NVRTC makes kernels of it, and a C compiler loops over all threads,
   by which it is held against OpenCV. Pictures are bytes, RGB; a thread makes one pixel. */

#ifdef __CUDACC__
#define KERNEL extern "C" __global__
#define INSIDE static __device__
#define EACH(index) int index = blockIdx.x * blockDim.x + threadIdx.x; if (index < count)
#else
#include <math.h>
#define KERNEL
#define INSIDE static
#define EACH(index) for (int index = 0; index < count; index++)
#endif

/* What `numbers` holds; `efgan_rt.faces.device_image` writes it in this order. A view is a part of a
   picture, with a border in which its edge is repeated, turned to the left by quarters, then
   mirrored; the result of `smaller` and `warped` has ROWS and COLUMNS. */
enum {
    ROW_BYTES, LEFT, TOP, WIDTH, HEIGHT, BORDER_LEFT, BORDER_TOP, SEEN_WIDTH, SEEN_HEIGHT,
    QUARTERS, IS_MIRRORED, ROWS, COLUMNS, HAS_TABLE,
    MATRIX, /* six numbers, each as the sum of two */
    HEADER = MATRIX + 12
};
#define CHANNELS 3
#define PARTS 32 /* of a pixel, that a place is rounded to */
#define FINE 32  /* parts of such a part, that OpenCV adds up */
#define CUBIC 4
#define LEAST 1e-3 /* of a pixel, that counts */

INSIDE int within(int index, int count) {
    return index < 0 ? 0 : index >= count ? count - 1 : index;
}

INSIDE const unsigned char *pixel_at(const float *n, const unsigned char *picture, int x, int y) {
    long row = (long)n[TOP] + within(y, (int)n[HEIGHT]);
    long column = (long)n[LEFT] + within(x, (int)n[WIDTH]);
    return picture + row * (long)n[ROW_BYTES] + column * CHANNELS;
}

/* A pixel of the view as it is seen. */
INSIDE const unsigned char *seen_at(const float *n, const unsigned char *picture, int x, int y) {
    int wide = (int)n[SEEN_WIDTH], high = (int)n[SEEN_HEIGHT], quarters = (int)n[QUARTERS];
    int across = n[IS_MIRRORED] != 0 ? wide - 1 - x : x, column = across, row = y;
    if (quarters == 1) {
        column = high - 1 - y;
        row = across;
    } else if (quarters == 2) {
        column = wide - 1 - across;
        row = high - 1 - y;
    } else if (quarters == 3) {
        column = y;
        row = wide - 1 - across;
    }
    return pixel_at(n, picture, column - (int)n[BORDER_LEFT], row - (int)n[BORDER_TOP]);
}

INSIDE unsigned char stored(double value) {
    return (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : rint(value));
}

/* The share of a span that begins at `begin`, `length` long, which pixel `index` has. */
INSIDE double share_of(double begin, double length, int count, int index) {
    double end = begin + length, whole = length < count - begin ? length : count - begin;
    int first = (int)ceil(begin), last = (int)floor(end);
    last = last < count - 1 ? last : count - 1;
    first = first < last ? first : last;
    if (index >= first && index < last)
        return 1 / whole;
    if (index == first - 1 && first - begin > LEAST)
        return (first - begin) / whole;
    if (index == last && end - last > LEAST) {
        double rest = end - last < 1 ? end - last : 1;
        return (rest < whole ? rest : whole) / whole;
    }
    return 0;
}

INSIDE void average(const float *n, const unsigned char *picture, unsigned char *made, int index) {
    int columns = (int)n[COLUMNS], width = (int)n[WIDTH], height = (int)n[HEIGHT];
    double across = (double)width / columns, down = (double)height / n[ROWS];
    double left = index % columns * across, top = index / columns * down, sums[CHANNELS] = {0};
    for (int y = within((int)floor(top), height); y <= (int)floor(top + down) && y < height; y++) {
        double part = share_of(top, down, height, y);
        for (int x = within((int)floor(left), width); x <= (int)floor(left + across) && x < width;
             x++) {
            double share = part * share_of(left, across, width, x);
            const unsigned char *pixel = pixel_at(n, picture, x, y);
            for (int channel = 0; channel < CHANNELS; channel++)
                sums[channel] += share * pixel[channel];
        }
    }
    for (int channel = 0; channel < CHANNELS; channel++) /* OpenCV's halves are rounded up */
        made[(long)index * CHANNELS + channel] =
            stored(across == 2 && down == 2 ? floor(sums[channel] + 0.5) : sums[channel]);
}

/* What each of four pixels counts at a part of a pixel; OpenCV's, with its -0.75. */
INSIDE void cubic_weights(int part, float *weights) {
    float x = (float)part / PARTS, a = -0.75f, y = 1 - x;
    weights[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    weights[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
    weights[2] = ((a + 2) * y - (a + 3)) * y * y + 1;
    weights[3] = 1 - weights[0] - weights[1] - weights[2];
}

INSIDE int nearest(double value) {
    return (int)rint(value);
}

/* A place in parts of a pixel, as OpenCV's warp adds it up. */
INSIDE int place_of(double turned, double shifted) {
    return (nearest(turned * PARTS * FINE) + nearest(shifted * PARTS * FINE) + FINE / 2) >> 5;
}

INSIDE void turn(const float *n, const unsigned char *picture, unsigned char *made, int index) {
    int column = index % (int)n[COLUMNS], row = index / (int)n[COLUMNS];
    double matrix[6];
    for (int i = 0; i < 6; i++)
        matrix[i] = (double)n[MATRIX + 2 * i] + n[MATRIX + 2 * i + 1];
    int x = place_of(matrix[0] * column, matrix[1] * row + matrix[2]);
    int y = place_of(matrix[3] * column, matrix[4] * row + matrix[5]);
    float across[CUBIC], down[CUBIC], sums[CHANNELS] = {0, 0, 0};
    cubic_weights(x & (PARTS - 1), across);
    cubic_weights(y & (PARTS - 1), down);
    for (int i = 0; i < CUBIC; i++)
        for (int j = 0; j < CUBIC; j++) {
            const unsigned char *pixel = pixel_at(n, picture, (x >> 5) + j - 1, (y >> 5) + i - 1);
            for (int channel = 0; channel < CHANNELS; channel++)
                sums[channel] += down[i] * across[j] * pixel[channel];
        }
    for (int channel = 0; channel < CHANNELS; channel++)
        made[(long)index * CHANNELS + channel] = stored(sums[channel]);
}

/* The picture averaged down to ROWS and COLUMNS. numbers: as above; count: the result's pixels. */
KERNEL void smaller(const float *numbers, const unsigned char *picture, unsigned char *made,
                    int count) {
    EACH(index) average(numbers, picture, made, index);
}

/* ROWS and COLUMNS of the picture at places turned and shifted, cubic; the edge is repeated. */
KERNEL void warped(const float *numbers, const unsigned char *picture, unsigned char *made,
                   int count) {
    EACH(index) turn(numbers, picture, made, index);
}

/* The view as it is seen, with its border; also a part of a picture cut out. */
KERNEL void seen(const float *numbers, const unsigned char *picture, unsigned char *made,
                 int count) {
    EACH(index) {
        int wide = (int)numbers[SEEN_WIDTH];
        const unsigned char *pixel = seen_at(numbers, picture, index % wide, index / wide);
        for (int channel = 0; channel < CHANNELS; channel++)
            made[(long)index * CHANNELS + channel] = pixel[channel];
    }
}

/* The view as YuNet takes it: float, BGR, planes of ROWS and COLUMNS, black beyond the view; its
   levels by the table behind the header, 256 for each of three channels, where there is one. */
KERNEL void as_input(const float *numbers, const unsigned char *picture, float *made, int count) {
    EACH(index) {
        int columns = (int)numbers[COLUMNS], column = index % columns, row = index / columns;
        int is_seen = column < numbers[SEEN_WIDTH] && row < numbers[SEEN_HEIGHT];
        for (int channel = 0; channel < CHANNELS; channel++) {
            float level = 0;
            if (is_seen) {
                int value = seen_at(numbers, picture, column, row)[channel];
                level = numbers[HAS_TABLE] != 0 ? numbers[HEADER + value * CHANNELS + channel]
                                                : (float)value;
            }
            made[(long)(CHANNELS - 1 - channel) * count + index] = level;
        }
    }
}

/* A part that was cut out, put back: `made` is the whole picture. */
KERNEL void put(const float *numbers, const unsigned char *part, unsigned char *made, int count) {
    EACH(index) {
        int wide = (int)numbers[WIDTH];
        long row = (long)numbers[TOP] + index / wide, column = (long)numbers[LEFT] + index % wide;
        unsigned char *pixel = made + row * (long)numbers[ROW_BYTES] + column * CHANNELS;
        for (int channel = 0; channel < CHANNELS; channel++)
            pixel[channel] = part[(long)index * CHANNELS + channel];
    }
}
