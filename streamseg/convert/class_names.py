"""Names of classes: as a person gives them, by the name of a data set, or by their number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from streamseg.errors import InputError
from streamseg.files import missing
from streamseg.segmentation import distinct

_VOC = (
    "background,aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse,motorbike,person,"
    "pottedplant,sheep,sofa,train,tvmonitor"
)
_CITYSCAPES = (
    "road,sidewalk,building,wall,fence,pole,traffic light,traffic sign,vegetation,terrain,sky,person,rider,car,truck,"
    "bus,train,motorcycle,bicycle"
)
_COCO = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,"
    "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,"
    "skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,"
    "cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,"
    "refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)
_ADE20K = (
    "wall,building,sky,floor,tree,ceiling,road,bed,windowpane,grass,cabinet,sidewalk,person,earth,door,table,mountain,"
    "plant,curtain,chair,car,water,painting,sofa,shelf,house,sea,mirror,rug,field,armchair,seat,fence,desk,rock,"
    "wardrobe,lamp,bathtub,railing,cushion,base,box,column,signboard,chest of drawers,counter,sand,sink,skyscraper,"
    "fireplace,refrigerator,grandstand,path,stairs,runway,case,pool table,pillow,screen door,stairway,river,bridge,"
    "bookcase,blind,coffee table,toilet,flower,book,hill,bench,countertop,stove,palm,kitchen island,computer,"
    "swivel chair,boat,bar,arcade machine,hovel,bus,towel,light,truck,tower,chandelier,awning,streetlight,booth,"
    "television receiver,airplane,dirt track,apparel,pole,land,bannister,escalator,ottoman,bottle,buffet,poster,stage,"
    "van,ship,fountain,conveyer belt,canopy,washer,plaything,swimming pool,stool,barrel,basket,waterfall,tent,bag,"
    "minibike,cradle,oven,ball,food,step,tank,trade name,microwave,pot,animal,bicycle,lake,dishwasher,screen,blanket,"
    "sculpture,hood,sconce,vase,traffic light,tray,ashcan,fan,pier,crt screen,plate,monitor,bulletin board,shower,"
    "radiator,glass,clock,flag"
)
DATASETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "coco": tuple(_COCO.split(",")),
        "ade20k": tuple(_ADE20K.split(",")),
        "cityscapes": tuple(_CITYSCAPES.split(",")),
        "voc": tuple(_VOC.split(",")),
    }
)
"""In the order of the class ids that networks trained on them have: the 80 objects of COCO, the 150 classes of ADE20K's
scene parsing, the 19 that Cityscapes scores, and Pascal VOC's 20 behind their background."""
_BACKGROUND = ("background",)
_FILES = (".txt", ".names", ".csv", ".yaml", ".yml", ".json")


def class_names(given: tuple[str, ...] | None, n: int, *, one_plane: bool = False) -> tuple[str, ...]:
    """The names of `n` classes; `one_plane`: of the background and of the object that one plane tells.

    Raises:
        InputError: that many are not given.
    """
    if given is None:
        return ("background", "object") if one_plane else tuple(f"class {i}" for i in range(n))
    names = expanded(given)
    if one_plane and len(names) == 1:
        names = (*_BACKGROUND, *names)
    if len(given) == 1:
        names = _with_background(given[0].casefold(), names, n)
    if len(names) != n:
        raise InputError(f"expected {n} class names for {n} channels, found {len(names)}", "--classes")
    return distinct(names)


def expanded(given: tuple[str, ...]) -> tuple[str, ...]:
    """A name for each class: one word may be their number, or the name of a data set.

    Raises:
        InputError: it is the name of a file that is not there, or no number of classes.
    """
    if len(given) > 1:
        return given
    (word,) = given or ("",)
    if re.fullmatch(r"[-+][0-9.]+", word):
        raise InputError(f"{word} classes: a model has 1 to 256", "--classes")
    if word.isascii() and word.isdigit():
        if not 1 <= int(word) <= 256:
            raise InputError(f"{word} classes: a model has 1 to 256", "--classes")
        return tuple(f"class {i}" for i in range(int(word)))
    if word.casefold() in DATASETS:
        return DATASETS[word.casefold()]
    if Path(word).suffix.lower() in _FILES:
        if Path(word).is_file():
            raise InputError(
                f"{word}: names are read from a .txt file, one a line, or a data.yaml", "--classes NAMES.txt"
            )
        raise missing(word, "--classes takes names separated by commas, or a .txt file with one a line")
    if "/" in word and Path(word).is_file():
        raise InputError(f"{word}: names are read from a file that ends in .txt, one a line", "--classes NAMES.txt")
    return given


def _with_background(dataset: str, names: tuple[str, ...], n: int) -> tuple[str, ...]:
    """Those of a data set for a network that has one class more, its background, or leaves it out."""
    if dataset in ("coco", "ade20k") and n == len(names) + 1:
        return (*_BACKGROUND, *names)
    return names[1:] if dataset == "voc" and n == len(names) - 1 else names
