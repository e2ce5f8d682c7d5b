// A search by a whole block of threads, for a compiler that finds two at one place: a thing that moves far away before
// ground that moves little, so that all three rounds have something to do. Prints the flow's sum and whether it leads
// anywhere.

#include <cmath>
#include <cstdio>
#include <vector>

#include "kernels.cu"

int main() {
    const int width = 128, height = 98, pixels = width * height;
    std::vector<byte> here(pixels), there(pixels), room(56 * pixels);
    for (int i = 0; i < pixels; i++) here[i] = (byte)(128 + 60 * sin(i % width * .3) * cos(i / width * .2) + i * 7919 % 23);
    for (int i = 0; i < pixels; i++) {
        int x = i % width, y = i / width;
        bool thing = x > 60 && x < 90 && y > 30 && y < 60;
        there[i] = thing ? (byte)(x * y) : here[y * width + (x + 3) % width];
    }
    std::vector<float> flow(2 * pixels + 1), start(2 * pixels + 1, 1.0f);
    Search task = {};
    task.here = here.data(), task.there = there.data(), task.start = start.data();
    task.flow = flow.data(), task.room = room.data();
    task.columns = width, task.rows = height, task.again = task.blocks = 1;
    task.closer = 62, task.noise = 2, task.cut = .9f, task.lost_block = 28;
    for (int lost : {1000, 100000}) {  // with the second round, and without it
        task.lost = lost;
        search(&task, 0, 0, 0);
        double sum = 0;
        for (float each : flow) sum += each;
        printf("%.3f %g\n", sum, flow[2 * pixels]);
    }
}
