/* A moved face in its picture, a pixel a thread: what `MotionPaste.into` does, on a GPU.

   One source for two compilers: NVRTC makes the kernel of it, and a C compiler a loop over all
   pixels, by which it is held against the processor's paste. Pictures and fields are read as OpenCV
   reads them, at multiples of 1/32 of a pixel, and beyond the border the border is repeated. */

#ifdef __CUDACC__
#define KERNEL extern "C" __global__
#define INSIDE static __device__
#else
#include <math.h>
#define KERNEL
#define INSIDE static
#endif

/* What `numbers` begins with; `efgan_rt.faces.device_paste` writes it in this order. */
enum {
    ROWS, COLUMNS, CHANNELS, UNIT, GRID, COARSE, TOP, BOTTOM, LEFT, RIGHT,
    CROP_TURN, CROP_TURN_I, CROP_SHIFT, CROP_SHIFT_I, TURN, TURN_I,
    IS_DRAWN, LIGHT_ROWS, LIGHT_COLUMNS, MOUTH_ROWS, GAIN,
    IS_PAINTED = GAIN + 3, IS_EXPOSED, LOW, HIGH = LOW + 3, LIFT = HIGH + 3,
    SHADE_LIMIT = LIFT + 3, LEAST_SHARE, DEPTH, GAMMA,
    EDGE_LIGHT, EDGE_DEPTH, CORNER_LIGHT, CORNER_SHARE, STEEPNESS,
    EYE_DEPTH, EYES_END, EYES_MIDDLE, LID_LIGHT, HEADER
};
#define PARTS 32 /* of a pixel, that a place is rounded to */
#define WIDE 8   /* pixels that a picture's sample is made of, each way */
#define CUBIC 4

typedef struct {
    int first_row, first_column; /* of the pixels around a place */
    int row_part, column_part;
} Place;

INSIDE int within(int index, int count) {
    return index < 0 ? 0 : index >= count ? count - 1 : index;
}

INSIDE float between(float value, float low, float high) {
    return value < low ? low : value > high ? high : value;
}

INSIDE int floor_part(int value) { /* of a place in parts */
    return value >= 0 ? value / PARTS : -((PARTS - 1 - value) / PARTS);
}

INSIDE Place place_at(float x, float y, int before) {
    Place found;
    int column = (int)rintf(x * PARTS), row = (int)rintf(y * PARTS);
    found.first_column = floor_part(column) - before;
    found.first_row = floor_part(row) - before;
    found.column_part = column - floor_part(column) * PARTS;
    found.row_part = row - floor_part(row) * PARTS;
    return found;
}

/* `channels` values of an image of floats between its four nearest pixels. */
INSIDE void linear(const float *image, int rows, int columns, int channels, float x, float y,
                   float *values) {
    Place place = place_at(x, y, 0);
    float across = (float)place.column_part / PARTS, down = (float)place.row_part / PARTS;
    for (int channel = 0; channel < channels; channel++) {
        float sum = 0;
        for (int i = 0; i < 4; i++) {
            int row = within(place.first_row + i / 2, rows);
            int column = within(place.first_column + i % 2, columns);
            float weight = (i / 2 ? down : 1 - down) * (i % 2 ? across : 1 - across);
            sum += weight * image[(row * columns + column) * channels + channel];
        }
        values[channel] = sum;
    }
}

/* The displacement at a place of the grid. */
INSIDE void cubic(const float *moved, const float *weights, int grid, float x, float y,
                  float *values) {
    Place place = place_at(x, y, 1);
    values[0] = values[1] = 0;
    for (int i = 0; i < CUBIC; i++) {
        int row = within(place.first_row + i, grid);
        for (int j = 0; j < CUBIC; j++) {
            int column = within(place.first_column + j, grid);
            float weight = weights[place.row_part * CUBIC + i] *
                           weights[place.column_part * CUBIC + j];
            values[0] += weight * moved[(row * grid + column) * 2];
            values[1] += weight * moved[(row * grid + column) * 2 + 1];
        }
    }
}

INSIDE float level_at(const void *picture, int is_wide, long index) {
    return is_wide ? (float)((const unsigned short *)picture)[index]
                   : (float)((const unsigned char *)picture)[index];
}

/* The picture at a place of it, in its own steps, rounded as they are stored. */
INSIDE void sampled(const float *n, const void *picture, const float *weights, float x, float y,
                    float *values) {
    int rows = (int)n[ROWS], columns = (int)n[COLUMNS], channels = (int)n[CHANNELS];
    int is_wide = n[UNIT] > 1;
    Place place = place_at(x, y, WIDE / 2 - 1);
    float sums[3] = {0, 0, 0};
    for (int i = 0; i < WIDE; i++) {
        long row = within(place.first_row + i, rows);
        float down = weights[place.row_part * WIDE + i];
        for (int j = 0; j < WIDE; j++) {
            long column = within(place.first_column + j, columns);
            float weight = down * weights[place.column_part * WIDE + j];
            for (int channel = 0; channel < channels; channel++)
                sums[channel] += weight * level_at(picture, is_wide,
                                                   (row * columns + column) * channels + channel);
        }
    }
    for (int channel = 0; channel < channels; channel++)
        values[channel] = between(rintf(sums[channel]), 0, is_wide ? 65535 : 255);
}

/* What is drawn as the networks saw the face, in the light of the picture. */
INSIDE float own_light(const float *n, float level, int channel) {
    if (n[IS_EXPOSED] == 0)
        return level;
    float share = between(level / 255, 0, 1), lift = n[LIFT + channel];
    share = share / (lift - share * (lift - 1));
    return n[LOW + channel] + share * (n[HIGH + channel] - n[LOW + channel]);
}

/* `share` of a colour over `values`; of a grey picture, of its luma. `share` of a premultiplied
   colour is 1 of it and the rest of the values. */
INSIDE void over(const float *n, const float *colour, float share, float rest, float *values) {
    if ((int)n[CHANNELS] == 1) {
        float luma = 0.299f * colour[0] + 0.587f * colour[1] + 0.114f * colour[2];
        values[0] = share * luma + rest * values[0];
        return;
    }
    for (int channel = 0; channel < 3; channel++)
        values[channel] = share * colour[channel] + rest * values[channel];
}

INSIDE void draw_mouth(const float *n, const float *mouths, const float *light, float x, float y,
                       float *values) {
    float mouth[3], colour[3];
    int grid = (int)n[GRID], rows = (int)n[LIGHT_ROWS], columns = (int)n[LIGHT_COLUMNS];
    linear(mouths, grid, grid, 3, x, y, mouth);
    float alpha = mouth[2];
    if (alpha < 0.5f / n[STEEPNESS])
        return;
    float along = mouth[0] / alpha, down = mouth[1] / alpha + n[DEPTH] / 2;
    float own = n[MOUTH_ROWS];
    float row = between(down / n[DEPTH] * own - 0.5f, 0, own - 1);
    float upper = n[EDGE_LIGHT] + (1 - n[EDGE_LIGHT]) * between(down / n[EDGE_DEPTH], 0, 1);
    float corner = between((0.5f - fabsf(along)) / n[CORNER_SHARE], 0, 1);
    float falling = upper * (n[CORNER_LIGHT] + (1 - n[CORNER_LIGHT]) * corner);
    if (rows > own && y + 0.5f < n[EYES_END] * grid) { /* an eye */
        float each = (rows - own) / 2;
        row = between(((down - n[DEPTH] / 2) / n[EYE_DEPTH] + 0.5f) * each - 0.5f, 0, each - 1);
        row += own + (x + 0.5f >= n[EYES_MIDDLE] * grid ? each : 0);
        falling = n[LID_LIGHT] + (1 - n[LID_LIGHT]) * between(2 * alpha - 1, 0, 1);
    }
    linear(light, rows, columns, 3, (along + 0.5f) * columns - 0.5f, row, colour);
    for (int channel = 0; channel < 3; channel++) {
        float lit = between(colour[channel] * n[GAIN + channel] * falling, 0, 1);
        colour[channel] = own_light(n, powf(lit, 1 / n[GAMMA]) * 255, channel);
    }
    float share = between((alpha - 0.5f) * n[STEEPNESS] + 0.5f, 0, 1);
    over(n, colour, share, 1 - share, values);
}

INSIDE void lay_paint(const float *n, const float *paints, float x, float y, float *values) {
    float paint[4], colour[3];
    linear(paints, (int)n[GRID], (int)n[GRID], 4, x, y, paint);
    for (int channel = 0; channel < 3; channel++) {
        colour[channel] = 127.5f * (paint[channel] + paint[3]);
        if (n[IS_EXPOSED] != 0) {
            float alpha = paint[3] < n[LEAST_SHARE] ? n[LEAST_SHARE] : paint[3];
            colour[channel] = own_light(n, colour[channel] / alpha, channel) * paint[3];
        }
    }
    over(n, colour, 1, 1 - paint[3], values);
}

INSIDE void paste_pixel(const float *n, const void *before, void *after, int index) {
    int columns = (int)n[COLUMNS], channels = (int)n[CHANNELS], grid = (int)n[GRID];
    int is_wide = n[UNIT] > 1, cells = grid * grid;
    const float *wide = n + HEADER, *narrow = wide + PARTS * WIDE;
    const float *active = narrow + PARTS * CUBIC, *moved = active + cells;
    const float *shades = moved + 2 * cells, *mouths = shades + cells;
    const float *paints = mouths + 3 * cells, *light = paints + 4 * cells;
    float column = (float)(index % columns), row = (float)(index / columns), values[3];
    float x = column * n[CROP_TURN] - row * n[CROP_TURN_I] + n[CROP_SHIFT];
    float y = column * n[CROP_TURN_I] + row * n[CROP_TURN] + n[CROP_SHIFT_I];
    x = (x + 0.5f) / n[COARSE] - 0.5f;
    y = (y + 0.5f) / n[COARSE] - 0.5f;
    int cell = within((int)rintf(y), grid) * grid + within((int)rintf(x), grid);
    int is_reached = row >= n[TOP] && row < n[BOTTOM] && column >= n[LEFT] && column < n[RIGHT];
    if (!is_reached || active[cell] == 0) {
        for (int channel = 0; channel < channels; channel++)
            values[channel] = level_at(before, is_wide, (long)index * channels + channel);
    } else {
        float away[2], shade;
        cubic(moved, narrow, grid, x, y, away);
        sampled(n, before, wide, column + away[0] * n[TURN] - away[1] * n[TURN_I],
                row + away[0] * n[TURN_I] + away[1] * n[TURN], values);
        linear(shades, grid, grid, 1, x, y, &shade);
        shade = expf(between(shade, -n[SHADE_LIMIT], n[SHADE_LIMIT]));
        for (int channel = 0; channel < channels; channel++)
            values[channel] = values[channel] / n[UNIT] * shade;
        if (n[IS_DRAWN] != 0)
            draw_mouth(n, mouths, light, x, y, values);
        if (n[IS_PAINTED] != 0)
            lay_paint(n, paints, x, y, values);
        for (int channel = 0; channel < channels; channel++)
            values[channel] = between(rintf(values[channel] * n[UNIT]), 0, is_wide ? 65535 : 255);
    }
    for (int channel = 0; channel < channels; channel++) {
        long place = (long)index * channels + channel;
        if (is_wide)
            ((unsigned short *)after)[place] = (unsigned short)values[channel];
        else
            ((unsigned char *)after)[place] = (unsigned char)values[channel];
    }
}

/* numbers: as `device_paste.numbers_of` lays them out; before, after: the region, one byte or two a
   value; count: its pixels. */
KERNEL void motion_paste(const float *numbers, const void *before, void *after, int count) {
#ifdef __CUDACC__
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index < count)
        paste_pixel(numbers, before, after, index);
#else
    for (int index = 0; index < count; index++)
        paste_pixel(numbers, before, after, index);
#endif
}
