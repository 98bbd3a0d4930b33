"""Writes the seeds of the targets `decode` (very short files of every format, and some that are
broken on purpose), `manifest` (tables and folders of every layout) and `weights` (a few numbers in
every format that PyTorch and safetensors have).

Run: python fuzz/make_corpus.py
The seeds of `cache` are written by examples/cache_seeds.rs.
"""

import io
import struct
from pathlib import Path

import av
import numpy as np
import safetensors.torch
import soundfile
import torch

CORPUS = Path(__file__).parent / "corpus"
RATE = 8000
FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"


def tones(seconds, channels, rate=RATE):
    t = np.arange(round(rate * seconds)) / rate
    return np.stack([0.4 * np.sin(2 * np.pi * 300 * (c + 1) * t + c) for c in range(channels)], axis=1)


def sndfile(form, subtype, seconds, channels, rate=RATE, endian="FILE"):
    out = io.BytesIO()
    soundfile.write(out, tones(seconds, channels, rate), rate, subtype=subtype, format=form, endian=endian)
    data = out.getvalue()
    # Files of floats contain their creation time.
    peak = data.find(b"PEAK") + 12
    return data if peak < 12 else data[:peak] + bytes(4) + data[peak + 4 :]


def ffmpeg(container, codec, seconds, channels, rate, **options):
    layout = "mono" if channels == 1 else "stereo"
    out = io.BytesIO()
    with av.open(out, "w", format=container, options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 32000
        samples = np.ascontiguousarray(tones(seconds, channels, rate).astype(np.float32).T)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate = rate
        form = stream.codec_context.codec.audio_formats[0]
        frames = av.AudioResampler(format=form, layout=layout, rate=rate).resample(frame)
        for packet in [packet for frame in [*frames, None] for packet in stream.encode(frame)]:
            file.mux(packet)
    return out.getvalue()


def numbered(ogg, serial):
    """Sets a fixed serial number of the Ogg stream: libsndfile draws a random one."""
    pages = []
    for page in ogg.split(b"OggS")[1:]:
        page = b"OggS" + page[:10] + struct.pack("<I", serial) + page[14:18] + bytes(4) + page[22:]
        rest = 0
        for byte in page:
            rest ^= byte << 24
            for _ in range(8):
                rest = (rest << 1) ^ (0x104C11DB7 if rest >> 31 else 0)
        pages.append(page[:22] + struct.pack("<I", rest) + page[26:])
    return b"".join(pages)


def sound():
    """Yields valid sound files with their names."""
    yield "u8.wav", sndfile("WAV", "PCM_U8", 0.02, 1)
    yield "s16_stereo.wav", sndfile("WAV", "PCM_16", 0.02, 2)
    yield "s24.wav", sndfile("WAV", "PCM_24", 0.02, 1)
    yield "s32.wav", sndfile("WAV", "PCM_32", 0.01, 1)
    yield "f32.wav", sndfile("WAV", "FLOAT", 0.01, 1)
    yield "f64.wav", sndfile("WAV", "DOUBLE", 0.01, 1)
    yield "s16_six.wav", sndfile("WAVEX", "PCM_16", 0.01, 6)
    yield "alaw.wav", sndfile("WAV", "ALAW", 0.02, 1)
    yield "ima_adpcm.wav", sndfile("WAV", "IMA_ADPCM", 0.1, 1)
    yield "ms_adpcm.wav", sndfile("WAV", "MS_ADPCM", 0.1, 1)
    yield "s8.aiff", sndfile("AIFF", "PCM_S8", 0.02, 1)
    yield "s16.aiff", sndfile("AIFF", "PCM_16", 0.02, 1)
    yield "s24_stereo.aiff", sndfile("AIFF", "PCM_24", 0.02, 2)
    yield "f32.aifc", sndfile("AIFF", "FLOAT", 0.01, 1)
    yield "little.aifc", sndfile("AIFF", "PCM_16", 0.02, 1, endian="LITTLE")
    yield "s16.flac", sndfile("FLAC", "PCM_16", 0.05, 1)
    yield "s24_stereo.flac", sndfile("FLAC", "PCM_24", 0.02, 2)
    yield "frames.flac", sndfile("FLAC", "PCM_S8", 0.6, 1)
    vorbis = [numbered(sndfile("OGG", "VORBIS", seconds, 1), serial) for serial, seconds in [(1, 0.1), (2, 0.05)]]
    yield "vorbis.ogg", vorbis[0]
    yield "vorbis_stereo.ogg", numbered(sndfile("OGG", "VORBIS", 0.1, 2), 3)
    yield "chain.ogg", vorbis[0] + vorbis[1]
    yield "flac.ogg", numbered(ffmpeg("ogg", "flac", 0.05, 1, RATE), 4)
    yield "opus.ogg", numbered(ffmpeg("ogg", "libopus", 0.1, 1, 48000), 5)
    yield "lame.mp3", sndfile("MP3", "MPEG_LAYER_III", 0.1, 1)
    yield "lame_44.mp3", sndfile("MP3", "MPEG_LAYER_III", 0.1, 2, rate=44100)
    yield "plain.mp3", ffmpeg("mp3", "libmp3lame", 0.1, 2, 44100, write_xing="0", id3v2_version="0")
    yield "id3.mp3", ffmpeg("mp3", "libmp3lame", 0.1, 1, 16000, id3v2_version="4")
    yield "aac.m4a", ffmpeg("ipod", "aac", 0.1, 1, 16000)
    yield "aac_stereo.m4a", ffmpeg("ipod", "aac", 0.1, 2, 16000)
    yield "fragments.m4a", ffmpeg("ipod", "aac", 0.2, 1, 16000, movflags=FRAGMENTS)
    yield "alac.m4a", ffmpeg("ipod", "alac", 0.05, 1, RATE)
    yield "adts.aac", ffmpeg("adts", "aac", 0.1, 1, 16000)


def broken(wav, flac, fragments):
    """Yields files with one fault each, which random changes would rarely produce."""
    at = lambda data, place, value: data[:place] + value + data[place + len(value) :]
    data = wav.index(b"data") + 4
    yield "streamed_zero.wav", at(at(wav, 4, bytes(4)), data, bytes(4))
    yield "streamed.wav", at(at(wav, 4, b"\xff" * 4), data, b"\xff" * 4)
    yield "no_channels.wav", at(wav, 22, bytes(2))
    yield "many_channels.wav", at(wav, 22, b"\xff\x00")
    yield "no_rate.wav", at(wav, 24, bytes(4))
    for name, rate in [("high", 1 << 31), ("one_hertz", 1), ("low", 1000), ("prime", 383_983), ("odd", 383_999)]:
        yield f"{name}_rate.wav", at(wav, 24, struct.pack("<I", rate))
    yield "no_block.wav", at(wav, 32, bytes(2))
    yield "odd_bits.wav", at(wav, 34, struct.pack("<H", 13))
    floats = struct.pack("<8f", 0.5, float("nan"), 0, float("inf"), 1e38, -1e38, 1e-45, 2)
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, 1, RATE, RATE * 4, 4, 32) + b"data"
    yield "not_finite.wav", b"RIFF" + struct.pack("<I", 68) + head + struct.pack("<I", 32) + floats
    yield "cut.flac", flac[: len(flac) * 2 // 3]
    yield "long.flac", at(flac, 21, bytes([flac[21] | 0x0F]) + b"\xff" * 4)
    yield "empty.wav", wav[:data] + bytes(4)
    last = fragments.rindex(b"mdat") - 4
    yield "open_end.m4a", at(fragments[: fragments.rindex(b"mfra") - 4], last, bytes(4))
    yield "room_first.m4a", struct.pack(">I4s8x", 16, b"free") + fragments
    endless = at(fragments, fragments.index(b"trun") + 4, struct.pack(">II", 0, 0xFF000000))
    yield "endless_run.m4a", endless
    yield "endless_run_later.m4a", b"\xff\xfc" + endless
    movie = endless.index(b"moov") - 4
    yield "endless_run_inside.m4a", endless[:movie] + struct.pack(">I4s", 0, b"mdat") + endless[movie:]


# The numbers of the layouts and options in checks/manifest.rs.
TABLE, KAGGLE, ZENODO, ESC, URBAN, CSV, JSONL, SPLITS, FOLDERS, FSD50K, KAGGLE2019, AUDIOSET = range(12)
FOLD_IN_NAME, GROUP_IN_NAME, NAME, LABEL, FOLD, GROUP, VERIFIED, ESC10 = (1 << bit for bit in range(8))

COLUMNS = "sound,kind,part,recording,checked\n"
KAGGLE_TRAIN = "fname,label,manually_verified\na.wav,Bark,1\nb.wav,Meow,0\nc.wav,Bark,0\nd.wav,Meow,1\n"
ZENODO_TRAIN = "fname,label,manually_verified,freesound_id,license\na.wav,Bark,1,11,CC0\nb.wav,Meow,0,12,CC0\n"
ZENODO_TEST = "fname,label,usage,freesound_id,license\nx.wav,Bark,Public,21,CC0\ny.wav,Meow,Private,22,CC0\n"
ESC_HEAD = "filename,fold,target,category,esc10,src_file,take\n"
ESC_ROWS = "1-10-A-0.wav,1,0,dog,True,10,A\n2-11-A-0.wav,2,0,dog,True,11,A\n1-12-A-1.wav,1,1,hen,False,12,A\n"
ESC_MORE = "1-13-A-2.wav,1,2,rain,True,13,A\n2-14-A-2.wav,2,2,rain,True,14,A\n2-15-A-1.wav,2,1,hen,False,15,A\n"
URBAN_HEAD = "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
URBAN_ROWS = "1-3-0-0.wav,1,0,4,1,1,3,dog\n1-3-0-1.wav,1,4,8,1,2,3,dog\n2-9-0-0.wav,2,0,4,2,1,9,rain\n"
URBAN_MORE = "3-9-0-0.wav,3,0,4,2,2,9,rain\n"
GROUPS = "path,category,fold,group\na/1.wav,dog,x,g\na/2.wav,rain,x,h\nb/1.wav,dog,y,i\nb/2.wav,rain,y,j\n"
IN_NAMES = "fname,label\n1-7.wav,dog\n2-8.wav,dog\n1-9.wav,rain\n2-5.wav,rain\n"
OBJECTS = '{"file_name": "a.wav", "label": "dog", "fold": 1}\n{"file_name": "b/c.wav", "label": "rain", "fold": 2}\n'
ESC10_TREE = "001 - Dog bark/1-30226-A.ogg\n001 - Dog bark/2-30227-A.ogg\n002 - Rain/1-17367-A.ogg\n002 - Rain/2-17368-B.ogg\n"
DEV = 'fname,labels,mids,split\n1,"dog,rain","/m/1,/m/2",train\n2,dog,/m/1,val\n3,rain,/m/2,train\n'
EVAL = 'fname,labels,mids\n4,"rain,dog","/m/2,/m/1"\n'
CURATED = 'fname,labels\na.wav,"dog,rain"\nb.wav,rain\n'
NOISY = "fname,labels\nc.wav,dog\n"
POST = 'fname,labels,usage\nx.wav,"dog,rain",Public\ny.wav,dog,Private\n'
SEGMENTS = '# a\n# b\n# YTID, start_seconds, end_seconds, positive_labels\n--PJHxphWEs, 30.000, 40.000, "/m/1,/m/2"\n'
SEGMENTS += '-0RWZT-miFs, 420.000, 430.000, "/m/1"\n_gone-gone-0, 1.000, 2.000, "/m/2"\n'
INDICES = 'index,mid,display_name\n0,/m/1,Dog\n1,/m/2,"Rain, wet"\n'


def data_sets():
    """Yields names, layouts, options and tables."""
    yield "plain.csv", TABLE, 0, "fname,label\na.wav,dog\nb.wav,rain\nc.wav,dog\nd.wav,rain\n"
    yield "fsd50k.csv", FSD50K, 0, DEV, EVAL
    yield "fsdkaggle2019.csv", KAGGLE2019, 0, CURATED, NOISY, POST
    yield "audioset.csv", AUDIOSET, 0, SEGMENTS, INDICES
    yield "folds.csv", TABLE, 0, GROUPS
    yield "quotes.csv", TABLE, 0, '\ufefffile,class,verified\r\n"a, b.wav","do""g",true\r\n"c\nd.wav", rain ,False\r\n'
    yield "named.csv", TABLE, 124, COLUMNS + "a.wav,dog,1,g,1\nb.wav,rain,2,h,0\nc.wav,dog,2,i,1\nd.wav,rain,1,k,0\n"
    yield "torn.csv", TABLE, 0, "fname,label,fold,group\na.wav,dog,1,g\nb.wav,rain,2,g\nc.wav,dog,2,h\nd.wav,rain,1,h\n"
    yield "from_names.csv", TABLE, FOLD_IN_NAME | GROUP_IN_NAME, IN_NAMES
    yield "short_row.csv", TABLE, 0, "fname,label\na.wav,dog\nb.wav\n"
    yield "twice.csv", TABLE, 0, "fname,label\na.wav,dog\na.wav,rain\n"
    yield "outside.csv", TABLE, 0, "fname,label\n../a.wav,dog\n/etc/passwd,rain\n"
    yield "one_class.csv", TABLE, 0, "fname,label\na.wav,dog\nb.wav,dog\n"
    yield "kaggle.csv", KAGGLE, 0, KAGGLE_TRAIN, "fname,label,usage\nx.wav,Bark,Public\ny.wav,None,Ignored\n"
    yield "kaggle_submission.csv", KAGGLE, 0, KAGGLE_TRAIN, "fname\nx.wav\n", "fname,label\nx.wav,Bark Meow\nz.wav,Bark\n"
    yield "kaggle_unknown.csv", KAGGLE, 0, KAGGLE_TRAIN, "fname,label\nx.wav,Moo\n"
    yield "zenodo.csv", ZENODO, 0, ZENODO_TRAIN, ZENODO_TEST, ZENODO_TEST + "z.wav,None,Ignored,23,CC0\n"
    yield "esc50.csv", ESC, 0, ESC_HEAD + ESC_ROWS + ESC_MORE
    yield "esc10.csv", ESC, ESC10, ESC_HEAD + ESC_ROWS + ESC_MORE
    yield "urbansound.csv", URBAN, 0, URBAN_HEAD + URBAN_ROWS + URBAN_MORE
    yield "metadata.csv", CSV, 0, "file_name,label\na.wav,dog\ntrain/b.wav,rain\ntest/c.wav,dog\n"
    yield "metadata.jsonl", JSONL, 0, OBJECTS
    yield "odd.jsonl", JSONL, 0, OBJECTS + '\n{"file_name": "d.wav", "label": 7, "more": [1, {"a": null}]}\n{"label": null}\n'
    yield "splits.jsonl", SPLITS, 0, OBJECTS, "file_name,label\nx.wav,dog\ny.wav,rain\n"
    yield "classes.txt", FOLDERS, 0, "dog/1.wav\ndog/2.wav\nrain/1.wav\nrain/3.ogg\nempty/readme.txt\n.git/x.wav\n"
    yield "esc10.txt", FOLDERS, 0, ESC10_TREE
    yield "fold_names.txt", FOLDERS, FOLD_IN_NAME, "dog/1-a.wav\ndog/2-b.wav\nrain/1-c.wav\nrain/2-d.wav\n"
    yield "splits.txt", FOLDERS, 0, "train/dog/a.wav\ntrain/rain/b.wav\nval/dog/a.wav\ntest/rain/c.wav\n"
    yield "data_splits.txt", FOLDERS, 0, "data/train/dog/a.wav\ndata/train/rain/b.wav\ndata/test/dog/c.wav\nreadme.md\n"
    yield "no_classes.txt", FOLDERS, 0, "a.wav\nb.wav\n"


class Call:
    """Requests a call when it is unpickled."""

    def __reduce__(self):
        return (print, ("called",))


def saved(value, **options):
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def weights():
    old = {"_use_new_zipfile_serialization": False}
    state = {"conv.weight": torch.arange(8.0).reshape(2, 1, 2, 2), "bn.num_batches_tracked": torch.tensor(3)}
    more = state | {"half": torch.ones(2).half(), "turned": torch.ones(2, 3).bfloat16().t(), "none": torch.zeros(0, 2)}
    yield "zip.pth", saved(state)
    yield "zip4.pth", saved(more, pickle_protocol=4)
    yield "old.pth", saved(state, **old)
    yield "old_model.pth", saved({"model": more, "epoch": 3, "loss": 0.5}, **old)
    yield "state_dict.pth", saved({"state_dict": state, "args": [True, None, ("a", b"b", {1, 2}, 1 << 70)]})
    yield "module.pth", saved(torch.nn.Linear(2, 1))
    yield "call.pth", saved(state | {"call": Call()})
    yield "call_old.pth", saved(Call(), **old)
    yield "endless.pth", saved({"a": torch.zeros(1).expand(10**12)})
    yield "ints.pth", saved({"a": torch.zeros(2, dtype=torch.int32)})
    yield "nan.pth", saved({"a": torch.tensor([float("nan")])}, **old)
    yield "f32.safetensors", safetensors.torch.save(state)
    yield "more.safetensors", safetensors.torch.save({name: value.contiguous() for name, value in more.items()})


def main():
    sounds = dict(sound())
    sounds |= broken(sounds["s16_stereo.wav"], sounds["s16.flac"], sounds["fragments.m4a"])
    seeds = {Path("decode") / name: content for name, content in sounds.items()}
    for name, layout, options, *tables in data_sets():
        seeds[Path("manifest") / name] = bytes([layout, options]) + "\x1e".join(tables).encode()
    seeds |= {Path("weights") / name: content for name, content in weights()}
    for name, content in seeds.items():
        (CORPUS / name).parent.mkdir(parents=True, exist_ok=True)
        (CORPUS / name).write_bytes(content)
    print(len(seeds), "seeds,", sum(map(len, seeds.values())), "bytes")


main()
