// Motion between small pictures of two frames on the GPU: what streamseg/motion/flow.py does on the CPU. Uses what
// patches.cu has.

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
