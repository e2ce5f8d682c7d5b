// Patches of one picture found in another, scale by scale. Uses what flows.cu has.

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
