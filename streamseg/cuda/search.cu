// Motion between small pictures of two frames that are on the GPU: what streamseg/motion/flow.py does on the CPU.

struct Pair {
    float x, y;
};

THREAD int within(int place, int length) { return place < 0 ? 0 : place >= length ? length - 1 : place; }

THREAD int mirrored(int place, int length) {
    place = place < 0 ? -place : place;
    return within(place >= length ? 2 * length - 2 - place : place, length);
}

THREAD int nearest(float at) { return (int)rintf(at); }

THREAD float in_32nds(float at) { return rintf(at * 32) / 32; }  // as cv2.remap looks

// A plane of `width` by `height` at a place between its pixels; beyond its borders it goes on as it ends.
template <class T> THREAD float at_place(const T *plane, int step, int width, int height, float x, float y) {
    Between u = between_at(x, width), v = between_at(y, height);
    const T *above = plane + (long long)v.first * width * step, *below = plane + (long long)v.second * width * step;
    return mix(mix(above[u.first * step], above[u.second * step], u.share),
               mix(below[u.first * step], below[u.second * step], u.share), v.share);
}

THREAD Pair flow_at(const float *flow, int width, int height, float x, float y) {
    return {at_place(flow, 2, width, height, x, y), at_place(flow + 1, 2, width, height, x, y)};
}

THREAD Pair flow_moved(const float *flow, int width, int height, float x, float y) {
    return flow_at(flow, width, height, in_32nds(x), in_32nds(y));
}

// The flow of `width` by `height` at a pixel of `columns` by `rows`, in pixels of those.
THREAD Pair flow_resized(const float *flow, int width, int height, int x, int y, int columns, int rows) {
    if (width == columns && height == rows) return {flow[2 * (y * width + x)], flow[2 * (y * width + x) + 1]};
    Pair way = flow_at(flow, width, height, (x + 0.5f) * width / columns - 0.5f, (y + 0.5f) * height / rows - 0.5f);
    return {way.x * columns / width, way.y * rows / height};
}

// Where an average over `scale` pixels of a row begins and ends, the share of the first and the last: cv2.INTER_AREA.
struct Span {
    int first, last;
    float head, body, tail;
};

THREAD Span span(int place, float scale, int length) {
    float begin = place * scale, end = begin + scale, wide = scale < length - begin ? scale : length - begin;
    int first = (int)ceilf(begin), last = (int)floorf(end);
    last = last < length - 1 ? last : length - 1;
    first = first < last ? first : last;
    bool has_head = first - begin > 1e-3f, has_tail = end - last > 1e-3f;
    float over = end - last < 1 ? end - last : 1;
    return {has_head ? first - 1 : first, has_tail ? last : last - 1, has_head ? (first - begin) / wide : 1 / wide,
            1 / wide, has_tail ? (over < wide ? over : wide) / wide : 1 / wide};
}

THREAD float weight(const Span &s, int at) { return at == s.first ? s.head : at == s.last ? s.tail : s.body; }

// One pixel of a plane (width, height) made small to (columns, rows); what it has is `get(x, y)`.
template <class Get> THREAD float averaged(Get get, int width, int height, int columns, int rows, int x, int y) {
    Span u = span(x, (float)width / columns, width), v = span(y, (float)height / rows, height);
    float sum = 0;
    for (int row = v.first; row <= v.last; row++) {
        float along = 0;
        for (int column = u.first; column <= u.last; column++) along += weight(u, column) * get(column, row);
        sum += weight(v, row) * along;
    }
    return sum;
}

THREAD byte rounded(float number) { return (byte)within(nearest(number), 256); }

// grey: the brightness that a search sees.
struct Grey {
    const byte *picture;  // (height, width)
    byte *out;            // (rows, columns)
    int width, height, columns, rows;
    int halved;  // made half as large before
};

THREAD void grey_thread(const Grey &g, int x, int y, int) {
    if (x >= g.columns || y >= g.rows) return;
    float here;
    if (g.halved) {
        auto half = [&](int column, int row) {
            const byte *at = g.picture + (long long)2 * row * g.width + 2 * column;
            return (at[0] + at[1] + at[g.width] + at[g.width + 1] + 2) >> 2;
        };
        here = averaged(half, g.width / 2, g.height / 2, g.columns, g.rows, x, y);
    } else {
        auto own = [&](int column, int row) { return g.picture[(long long)row * g.width + column]; };
        here = averaged(own, g.width, g.height, g.columns, g.rows, x, y);
    }
    g.out[y * g.columns + x] = rounded(here);
}

KERNEL(grey, Grey)

// search: dense inverse search (Kroeger et al., 2016) between two small pictures, as OpenCV has it: patches of 8 pixels,
// 6 apart, each from the best start that it, its neighbours and the scale above know, ten steps each.
constexpr int PATCH = 8, STRIDE = 6, STEPS = 5, STRIPES = 8, SCALES = 8, TALLEST = 128, CANDIDATES = 4, MOST_BLOCKS = 8, REACH = 16, EDGE = 2;

struct Search {
    const byte *here, *there;  // (rows, columns)
    const float *start;        // a flow to begin with, which may lead nowhere; null: none
    const float *way;          // a flow that is to be mended; null: none is known
    float *flow;               // (rows, columns, 2); behind it 1 where it makes one picture of the other, else 0
    byte *room;                // for what is found on the way
    int columns, rows;
    int finest;                // scale at which it stops: 0 for single pixels
    int again;                 // where something is lost, once more from nothing, or from `way`
    int blocks;                // and from where blocks of the picture are found
    int lost, closer;          // sums of grey levels over 25 pixels
    float noise, cut;
    float lost_block;          // grey levels
};

struct Scale {
    byte *here, *there;
    int width, height, across, down;  // pixels; patches
};

struct Room {
    int count;  // of scales
    Scale scales[SCALES];
    short *right, *low;  // how brightness changes along rows and columns
    Pair *patches;
    float *tensors;
    float *flows[2];     // of one scale and the next
    int *rest, *other;
    float *start;
};

struct Shared {
    float rows[CANDIDATES * TALLEST * PATCH], right[TALLEST * PATCH], low[TALLEST * PATCH];
    Pair best[TALLEST], now[TALLEST];
    float before[TALLEST];
    int running[TALLEST];
    int sums[2], rest, contrast, worst, found[MOST_BLOCKS], least, place;
    Room room;
};

// Of one row of a patch: how unlike it is where `u` leads, and how far that pulls.
struct Row {
    float unlike, right, low;
};

THREAD Row row_of(const Scale &s, const Room &r, int x, int y, int row, Pair u, bool pulls) {
    float across = fminf(fmaxf(x + u.x, 1.0f - PATCH), s.width - 1.0f);
    float down = fminf(fmaxf(y + u.y, 1.0f - PATCH), s.height - 1.0f);
    int left = (int)floorf(across), top = (int)floorf(down) + row;
    float part_x = across - floorf(across), part_y = down - floorf(down);
    const byte *above = s.there + (long long)within(top, s.height) * s.width;
    const byte *below = s.there + (long long)within(top + 1, s.height) * s.width;
    long long own = (long long)(y + row) * s.width + x;
    Row sum = {0, 0, 0};
    float high = above[within(left, s.width)], deep = below[within(left, s.width)];
    for (int i = 0; i < PATCH; i++) {
        float next_high = above[within(left + i + 1, s.width)], next_deep = below[within(left + i + 1, s.width)];
        float unlike = (1 - part_x) * (1 - part_y) * high + part_x * (1 - part_y) * next_high +
                       (1 - part_x) * part_y * deep + part_x * part_y * next_deep - s.here[own + i];
        sum.unlike += unlike * unlike;
        if (pulls) sum.right += unlike * r.right[own + i], sum.low += unlike * r.low[own + i];
        high = next_high, deep = next_deep;
    }
    return sum;
}

// The patch of row `down` whose turn it is: in each of eight stripes rows follow each other by a step, none waits for
// another of the same turn, and none of another stripe. -1 where it has none.
THREAD int across_at(const Scale &s, int turn, int turned, int down) {
    int tall = (s.down + STRIPES - 1) / STRIPES, first = down / tall * tall;
    int last = first + tall < s.down ? first + tall : s.down;
    int across = turn - (turned ? last - 1 - down : down - first);
    if (across < 0 || across >= s.across) return -1;
    return turned ? s.across - 1 - across : across;
}

THREAD int turns_of(const Scale &s) { return s.across + (s.down + STRIPES - 1) / STRIPES - 1; }

// What a patch may begin with: what it has, what the search was given, what the one beside it and the one above found.
THREAD bool candidate(const Search &t, const Scale &s, const Room &r, const float *start, const float *coarser,
                      const Scale *above, int level, int turned, int across, int down, int which, Pair &u) {
    int patch = down * s.across + across, back = turned ? 1 : -1, tall = (s.down + STRIPES - 1) / STRIPES;
    int x = across * STRIDE + PATCH / 2, y = down * STRIDE + PATCH / 2;
    if (which == 0) {
        if (turned) u = r.patches[patch];
        else if (!above) u = {0, 0};
        else {
            u = flow_at(coarser, above->width, above->height, (x + 0.5f) * above->width / s.width - 0.5f,
                        (y + 0.5f) * above->height / s.height - 0.5f);
            u.x *= 2, u.y *= 2;
        }
    } else if (which == 1) {
        if (!start) u = {0, 0};
        else {
            u = flow_at(start, t.columns, t.rows, (x + 0.5f) * t.columns / s.width - 0.5f,
                        (y + 0.5f) * t.rows / s.height - 0.5f);
            u.x /= 1 << level, u.y /= 1 << level;
        }
    } else if (which == 2) {
        if (across + back < 0 || across + back >= s.across) return false;
        u = r.patches[patch + back];
    } else {
        if (down + back < 0 || down + back >= s.down || (down + back) / tall != down / tall) return false;
        u = r.patches[patch + back * s.across];
    }
    return true;
}

THREAD void patches_block(const Search &t, const Scale &s, const Room &r, const float *start, const float *coarser,
                          const Scale *above, int level, Shared &all, int thread, int threads) {
    for (int turned = 0; turned < 2; turned++)
        for (int turn = 0; turn < turns_of(s); turn++) {
            EACH(i, s.down * CANDIDATES * PATCH) {
                int down = i / (CANDIDATES * PATCH), across = across_at(s, turn, turned, down);
                Pair u;
                if (across < 0) continue;
                if (candidate(t, s, r, start, coarser, above, level, turned, across, down, i / PATCH % CANDIDATES, u))
                    all.rows[i] = row_of(s, r, across * STRIDE, down * STRIDE, i % PATCH, u, false).unlike;
            }
            TOGETHER;
            EACH(down, s.down) {
                int across = across_at(s, turn, turned, down);
                float least = 0;
                all.running[down] = across >= 0;
                for (int which = 0; across >= 0 && which < CANDIDATES; which++) {
                    Pair u;
                    if (!candidate(t, s, r, start, coarser, above, level, turned, across, down, which, u)) continue;
                    float unlike = 0;
                    for (int row = 0; row < PATCH; row++) unlike += all.rows[(down * CANDIDATES + which) * PATCH + row];
                    if (which == 0 || unlike < least) least = unlike, all.best[down] = u;
                }
                all.now[down] = all.best[down], all.before[down] = 1e30f;
            }
            TOGETHER;
            for (int step = 0; step < STEPS; step++) {
                EACH(i, s.down * PATCH) {
                    int down = i / PATCH, across = across_at(s, turn, turned, down);
                    if (!all.running[down]) continue;
                    Row row = row_of(s, r, across * STRIDE, down * STRIDE, i % PATCH, all.now[down], true);
                    all.rows[i] = row.unlike, all.right[i] = row.right, all.low[i] = row.low;
                }
                TOGETHER;
                EACH(down, s.down) {
                    if (!all.running[down]) continue;
                    Row sum = {0, 0, 0};
                    for (int row = down * PATCH; row < (down + 1) * PATCH; row++)
                        sum.unlike += all.rows[row], sum.right += all.right[row], sum.low += all.low[row];
                    const float *tensor = r.tensors + 3 * (down * s.across + across_at(s, turn, turned, down));
                    all.now[down].x -= tensor[0] * sum.right + tensor[1] * sum.low;
                    all.now[down].y -= tensor[1] * sum.right + tensor[2] * sum.low;
                    all.running[down] = sum.unlike < all.before[down];
                    all.before[down] = sum.unlike;
                }
                TOGETHER;
            }
            EACH(down, s.down) {
                int across = across_at(s, turn, turned, down);
                if (across < 0) continue;
                Pair from = all.best[down], to = all.now[down];
                bool near = sqrtf((to.x - from.x) * (to.x - from.x) + (to.y - from.y) * (to.y - from.y)) <= PATCH;
                r.patches[down * s.across + across] = near ? to : from;
            }
            TOGETHER;
        }
}

THREAD void gradients_block(const Scale &s, const Room &r, int thread, int threads) {
    EACH(i, s.width * s.height) {
        int x = i % s.width, y = i / s.width;
        int left = mirrored(x - 1, s.width), right = mirrored(x + 1, s.width);
        const byte *above = s.here + mirrored(y - 1, s.height) * s.width, *own = s.here + y * s.width;
        const byte *below = s.here + mirrored(y + 1, s.height) * s.width;
        r.right[i] = (short)(above[right] + 2 * own[right] + below[right] - above[left] - 2 * own[left] - below[left]);
        r.low[i] = (short)(below[left] + 2 * below[x] + below[right] - above[left] - 2 * above[x] - above[right]);
    }
    TOGETHER;
    EACH(i, s.across * s.down) {  // the inverse of what all gradients of a patch are together
        float xx = 0, xy = 0, yy = 0;
        for (int k = 0; k < PATCH * PATCH; k++) {
            int at = (i / s.across * STRIDE + k / PATCH) * s.width + i % s.across * STRIDE + k % PATCH;
            float right = r.right[at], low = r.low[at];
            xx += right * right, xy += right * low, yy += low * low;
        }
        float size = xx * yy - xy * xy;
        if (fabsf(size) < 0.001f) size = 0.001f;
        r.tensors[3 * i] = yy / size, r.tensors[3 * i + 1] = -xy / size, r.tensors[3 * i + 2] = xx / size;
    }
    TOGETHER;
}

// What a pixel has of the patches over it, the more the better each explains it.
THREAD void dense_block(const Scale &s, const Room &r, float *flow, int thread, int threads) {
    EACH(i, s.width * s.height) {
        int x = i % s.width, y = i / s.width;
        int right = x / STRIDE < s.across - 1 ? x / STRIDE : s.across - 1, left = x < PATCH ? 0 : (x - PATCH) / STRIDE + 1;
        int low = y / STRIDE < s.down - 1 ? y / STRIDE : s.down - 1, top = y < PATCH ? 0 : (y - PATCH) / STRIDE + 1;
        float sum = 0, sum_x = 0, sum_y = 0;
        for (int down = top < low ? top : low; down <= low; down++)
            for (int across = left < right ? left : right; across <= right; across++) {
                Pair u = r.patches[down * s.across + across];
                float worth = fabsf(at_place(s.there, 1, s.width, s.height, x + u.x, y + u.y) - s.here[i]);
                worth = 1 / fmaxf(1, worth);
                sum += worth, sum_x += worth * u.x, sum_y += worth * u.y;
            }
        flow[2 * i] = sum_x / sum, flow[2 * i + 1] = sum_y / sum;
    }
    TOGETHER;
}

// The flow that is found from `start`; where it lies is said.
THREAD const float *found_block(const Search &t, const Room &r, const float *start, Shared &all, int thread,
                                int threads) {
    for (int level = r.count - 1; level >= t.finest; level--) {
        const Scale &s = r.scales[level], *above = level < r.count - 1 ? &r.scales[level + 1] : nullptr;
        gradients_block(s, r, thread, threads);
        patches_block(t, s, r, start, r.flows[(level + 1) % 2], above, level, all, thread, threads);
        dense_block(s, r, r.flows[level % 2], thread, threads);
    }
    if (!t.finest) return r.flows[0];
    const Scale &s = r.scales[t.finest];
    EACH(i, t.columns * t.rows) {
        Pair u = flow_at(r.flows[1], s.width, s.height, (i % t.columns + 0.5f) * s.width / t.columns - 0.5f,
                         (i / t.columns + 0.5f) * s.height / t.rows - 0.5f);
        r.flows[0][2 * i] = u.x * (1 << t.finest), r.flows[0][2 * i + 1] = u.y * (1 << t.finest);
    }
    TOGETHER;
    return r.flows[0];
}

THREAD int left_over(const Search &t, const Scale &s, const float *flow, int x, int y) {
    const float *u = flow + 2 * (y * t.columns + x);
    float there = at_place(s.there, 1, t.columns, t.rows, in_32nds(x + u[0]), in_32nds(y + u[1]));
    int unlike = s.here[y * t.columns + x] - to_byte(there);
    return unlike < 0 ? -unlike : unlike;
}

// Grey levels that a flow leaves over around each pixel, summed over 5 by 5; the highest of them. Into `spare` for a while.
THREAD int rest_block(const Search &t, const Scale &s, const float *flow, int *rest, int *spare, Shared &all, int thread,
                      int threads) {
    EACH(i, t.columns * t.rows) spare[i] = left_over(t, s, flow, i % t.columns, i / t.columns);
    if (thread == 0) all.worst = 0;
    TOGETHER;
    EACH(i, t.columns * t.rows) {
        int x = i % t.columns, y = i / t.columns, sum = 0;
        for (int row = -2; row <= 2; row++)
            for (int column = -2; column <= 2; column++)
                sum += spare[mirrored(y + row, t.rows) * t.columns + mirrored(x + column, t.columns)];
        rest[i] = sum;
        MOST(all.worst, sum);
    }
    TOGETHER;
    int worst = all.worst;
    TOGETHER;  // then the next ones may count
    return worst;
}

// `t.flow` where it is; where `other` explains a pixel better, that.
THREAD void closer_block(const Search &t, const Scale &s, const Room &r, const float *other, Shared &all, int thread,
                         int threads) {
    int *spare = (int *)r.start;  // what was begun with is not needed any more
    rest_block(t, s, other, r.other, spare, all, thread, threads);
    EACH(i, t.columns * t.rows)
        if (r.rest[i] - r.other[i] > t.closer) t.flow[2 * i] = other[2 * i], t.flow[2 * i + 1] = other[2 * i + 1];
    TOGETHER;
}

// Blocks of which much is left over, looked for all around: a flow to begin with. Whether there are any.
THREAD bool matched_block(const Search &t, const Scale &s, const Room &r, Shared &all, int thread, int threads) {
    int across = t.columns / PATCH, down = t.rows / PATCH;
    float *left = r.tensors;
    EACH(i, across * down) {
        auto rest = [&](int x, int y) { return (float)r.rest[y * t.columns + x]; };
        left[i] = averaged(rest, t.columns, t.rows, across, down, i % across, i / across) / 25;
    }
    EACH(i, MOST_BLOCKS) all.found[i] = -1;
    EACH(i, 2 * t.columns * t.rows) r.start[i] = t.flow[i];
    TOGETHER;
    EACH(i, across * down) {
        if (left[i] <= t.lost_block) continue;
        int better = 0;
        for (int k = 0; k < across * down; k++) better += left[k] > left[i] || (left[k] == left[i] && k < i);
        if (better < MOST_BLOCKS) all.found[better] = i;
    }
    TOGETHER;
    for (int block = 0; block < MOST_BLOCKS; block++) {
        int at = all.found[block], side = 2 * REACH + 1;
        if (at < 0) break;
        int x = at % across * PATCH, y = at / across * PATCH;
        if (thread == 0) all.least = all.place = 0x7fffffff;
        TOGETHER;
        for (int turn = 0; turn < 2; turn++) {  // the least difference; then the first place that has it
            EACH(i, side * side) {
                int unlike = 0;
                for (int row = y - EDGE; row < y + PATCH + EDGE; row++)
                    for (int column = x - EDGE; column < x + PATCH + EDGE; column++) {
                        int own = s.here[within(row, t.rows) * t.columns + within(column, t.columns)];
                        int to_y = within(row + i / side - REACH, t.rows), to_x = within(column + i % side - REACH, t.columns);
                        own -= s.there[to_y * t.columns + to_x];
                        unlike += own * own;
                    }
                if (turn == 0) LEAST(all.least, unlike);
                else if (unlike == all.least) LEAST(all.place, i);
            }
            TOGETHER;
        }
        EACH(i, PATCH * PATCH) {
            float *u = r.start + 2 * ((y + i / PATCH) * t.columns + x + i % PATCH);
            u[0] = all.place % side - REACH, u[1] = all.place / side - REACH;
        }
        TOGETHER;
    }
    return all.found[0] >= 0;
}

// Whether what `t.flow` leaves over is little beside the contrast of the picture; else another scene begins.
THREAD bool explains_block(const Search &t, const Scale &s, Shared &all, int thread, int threads) {
    int pixels = t.columns * t.rows, mean = nearest((float)all.sums[0] / pixels), rest = 0, contrast = 0;
    if (thread == 0) all.rest = all.contrast = 0;
    TOGETHER;
    EACH(i, pixels) {
        rest += left_over(t, s, t.flow, i % t.columns, i / t.columns);
        contrast += s.here[i] > mean ? s.here[i] - mean : mean - s.here[i];
    }
    ADD(all.rest, rest);
    ADD(all.contrast, contrast);
    TOGETHER;
    return (float)all.rest / pixels < t.noise + t.cut * all.contrast / pixels;
}

// How many scales there are, and where everything has room.
THREAD void make_room(const Search &t, Room &r) {
    int pixels = t.columns * t.rows, scales = 1;
    int longer = t.columns > t.rows ? t.columns : t.rows, shorter = t.columns + t.rows - longer;
    while (scales < SCALES && longer * 1.4142135f / (PATCH * 4) >= 1 << scales && shorter / PATCH >= 1 << scales) scales++;
    if (scales <= t.finest) scales = t.finest + 1;
    float *floats = (float *)t.room;
    r.flows[0] = floats, r.flows[1] = r.flows[0] + 2 * pixels, r.start = r.flows[1] + 2 * pixels;
    r.rest = (int *)(r.start + 2 * pixels), r.other = r.rest + pixels;
    r.patches = (Pair *)(r.other + pixels), r.tensors = (float *)(r.patches + pixels / 4);
    r.right = (short *)(r.tensors + pixels), r.low = r.right + pixels;
    byte *bytes = (byte *)(r.low + pixels);
    for (int level = 0, width = t.columns, height = t.rows; level < scales; level++, width /= 2, height /= 2) {
        byte *own = level ? bytes : (byte *)t.here;
        bytes += level ? width * height : 0;
        r.scales[level] = {own, bytes, width, height, 1 + (width - PATCH) / STRIDE, 1 + (height - PATCH) / STRIDE};
        bytes += width * height;
    }
    r.count = scales;
}

// Both pictures at every scale, the other one as bright as this one.
THREAD void prepare_block(const Search &t, Shared &all, int thread, int threads) {
    const Room &r = all.room;
    int pixels = t.columns * t.rows, here = 0, there = 0;
    if (thread == 0) all.sums[0] = all.sums[1] = 0, make_room(t, all.room);
    TOGETHER;
    EACH(i, pixels) here += t.here[i], there += t.there[i];
    ADD(all.sums[0], here);
    ADD(all.sums[1], there);
    TOGETHER;
    float by = (float)(all.sums[0] - all.sums[1]) / pixels;
    EACH(i, pixels) r.scales[0].there[i] = rounded(t.there[i] + by);
    TOGETHER;
    for (int level = 1; level < r.count; level++) {
        const Scale &s = r.scales[level], &above = r.scales[level - 1];
        EACH(i, 2 * s.width * s.height) {
            int k = i / 2;
            const byte *from = i % 2 ? above.there : above.here;
            byte *to = i % 2 ? s.there : s.here;
            auto get = [&](int x, int y) { return from[y * above.width + x]; };
            bool even = above.width == 2 * s.width && above.height == 2 * s.height;
            int x = k % s.width, y = k / s.width;
            to[k] = even ? (byte)((get(2 * x, 2 * y) + get(2 * x + 1, 2 * y) + get(2 * x, 2 * y + 1) +
                                   get(2 * x + 1, 2 * y + 1) + 2) >> 2)
                         : rounded(averaged(get, above.width, above.height, s.width, s.height, x, y));
        }
        TOGETHER;
    }
}

THREAD void search_block(const Search &t, int thread, int threads) {
    SHARED Shared all;
    prepare_block(t, all, thread, threads);
    int pixels = t.columns * t.rows;
    const Room &r = all.room;
    const Scale &s = r.scales[0];
    const float *like = t.start && t.start[2 * pixels] > 0 ? t.start : nullptr;
    for (int round = 0; round < 3; round++) {
        const float *start = round == 0 ? like : round == 1 ? t.way : r.start;
        if (round == 0 && t.way) {
            EACH(i, 2 * pixels + 1) t.flow[i] = t.way[i];
            TOGETHER;
            if (t.flow[2 * pixels] <= 0) return;
            continue;
        }
        if (round == 1 && !(t.again && (t.way || like))) continue;
        if (round == 2 && !(t.blocks && !t.way)) continue;
        if (round > 0) {
            int worst = rest_block(t, s, t.flow, r.rest, r.other, all, thread, threads);
            if (round == 1 && worst < t.lost) continue;
            if (round == 2 && !matched_block(t, s, r, all, thread, threads)) continue;
        }
        const float *found = found_block(t, r, start, all, thread, threads);
        if (round > 0) {
            closer_block(t, s, r, found, all, thread, threads);
            continue;
        }
        EACH(i, 2 * pixels) t.flow[i] = found[i];
        TOGETHER;
        bool explains = explains_block(t, s, all, thread, threads);
        if (thread == 0) t.flow[2 * pixels] = explains;
        if (!explains) return;
    }
}

BLOCK_KERNEL(search, Search)
