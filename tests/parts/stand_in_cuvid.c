// NVDEC without a GPU: libnvcuvid.so.1 as FFmpeg wants it. It decodes nothing: the n-th picture that it is given comes
// out as the n-th of the file STAND_IN_PICTURES, which holds them as NV12 of the size that is shown, without gaps, or as
// P010 where the video has ten bits.
// As the real one it has no more than 32 surfaces; where STAND_IN_REFUSES is set it knows none of the videos.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 32, PITCH = 512, INVALID_VALUE = 1, NOT_FOUND = 500, DONE = 0 };

int cuMemAlloc_v2(uintptr_t *address, size_t size);
int cuMemFree_v2(uintptr_t address);
int cuStreamSynchronize(void *stream);

typedef struct {
    unsigned codec, chroma, depth, reserved[3];
    uint8_t supported, filler[3];
    unsigned most_width, most_height, most_blocks;
    uint16_t least_width, least_height;
} Abilities;

typedef struct {
    unsigned long width, height;  // as coded
    unsigned long surfaces;
    int codec, chroma;
    unsigned long flags, more_bits;  // than eight
} Wanted;

typedef struct {
    unsigned long width, height, decoded;
    unsigned long bytes;          // of a number
    unsigned long content[MOST];  // by surface
    uintptr_t *mapped;            // all that ever were: copies from them may still wait in a stream
    unsigned long maps;
} Decoder;

typedef struct {
    int blocks_across, blocks_down, surface;
} Picture;

int cuvidGetDecoderCaps(Abilities *abilities) {
    abilities->supported = !getenv("STAND_IN_REFUSES");
    abilities->most_width = abilities->most_height = 8192;
    abilities->most_blocks = 1 << 18;
    abilities->least_width = abilities->least_height = 16;
    return DONE;
}

int cuvidCreateDecoder(Decoder **decoder, const Wanted *wanted) {
    if (!wanted->surfaces || wanted->surfaces > MOST) return INVALID_VALUE;
    *decoder = calloc(1, sizeof **decoder);
    (*decoder)->width = wanted->width;
    (*decoder)->height = wanted->height;
    (*decoder)->bytes = wanted->more_bits ? 2 : 1;
    return DONE;
}

int cuvidDestroyDecoder(Decoder *decoder) {
    cuStreamSynchronize(NULL);
    while (decoder->maps) cuMemFree_v2(decoder->mapped[--decoder->maps]);
    free(decoder->mapped);
    free(decoder);
    return DONE;
}

int cuvidDecodePicture(Decoder *decoder, const Picture *picture) {
    decoder->content[picture->surface] = decoder->decoded++;
    return DONE;
}

int cuvidMapVideoFrame64(Decoder *decoder, int surface, uintptr_t *address, unsigned *pitch, void *how) {
    FILE *file = fopen(getenv("STAND_IN_PICTURES"), "rb");
    unsigned long width, height;
    if (!file || fscanf(file, "%lu %lu\n", &width, &height) != 2) return NOT_FOUND;
    width *= decoder->bytes;
    fseek(file, decoder->content[surface] * width * height * 3 / 2, SEEK_CUR);
    *pitch = (decoder->width * decoder->bytes + PITCH - 1) / PITCH * PITCH;
    int code = cuMemAlloc_v2(address, *pitch * decoder->height * 3 / 2);
    if (code) return code;
    decoder->mapped = realloc(decoder->mapped, (decoder->maps + 1) * sizeof(uintptr_t));
    decoder->mapped[decoder->maps++] = *address;
    for (unsigned long row = 0; row < height * 3 / 2; row++) {
        unsigned long place = row < height ? row : decoder->height + row - height;
        if (!fread((char *)*address + place * *pitch, width, 1, file)) return NOT_FOUND;
    }
    fclose(file);
    return DONE;
}

int cuvidUnmapVideoFrame64(Decoder *decoder, uintptr_t address) { return DONE; }
