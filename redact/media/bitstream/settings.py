"""
The one text that may stay in a coded picture: what x264 and x265 write about their own settings.

Nearly every file holds it, and without it a copied clip would not stay bit for bit what it was.
So it stays, but only where every word of it is one that the encoder itself writes: a closed list
of options, whose values are short numbers or words of a closed list.
"""

from __future__ import annotations

import re

X264 = bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef")
X265 = bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e")
HEADS = {
    X264: re.compile(
        r"x264 - core \d{1,3}(?: r\d{1,4}M?)?(?: [0-9a-f]{7,10})?"
        r" - H\.264/MPEG-4 AVC codec - Copyleft 2003-20\d\d"
        r" - http://www\.videolan\.org/x264\.html - options: "
    ),
    X265: re.compile(
        r"x265 \(build \d{1,4}\) - \d{1,2}\.\d{1,2}(?:\+\d{1,4}(?:-[0-9a-f]{7,16})?)?"
        r":\[(?:Linux|Windows|Mac OS X|Android|FreeBSD|Unix)\]"
        r"\[(?:GCC|clang|MSVC|ICL|ICC) \d{1,4}(?:\.\d{1,3}){0,2}\]\[(?:32|64) bit\]"
        r"(?: (?:8|10|12)bit(?:\+(?:8|10|12)bit){0,2})?"
        r" - H\.265/HEVC codec - Copyright 2013-20\d\d \(c\) Multicoreware, Inc"
        r" - http://x265\.org - options: "
    ),
}
X264_OPTIONS = """
    8x8dct analyse aq b_adapt b_bias b_pyramid bframes bime bitrate bluray_compat brdo cabac
    chroma_me chroma_qp_offset constrained_intra cplxblur cqm crf crf_max deadzone deblock
    decimate direct fast_pskip filler frame-packing interlaced intra_refresh ip_ratio keyint
    keyint_min lookahead_threads mbaff mbtree me me_range mixed_ref mixed_refs nal_hrd nr
    open_gop pb_ratio psy psy_rd qblur qcomp qp qpmax qpmin qpstep ratetol rc rc_lookahead ref
    scenecut slice_max_mbs slice_max_size slice_min_mbs sliced_threads slices slices_max
    stitchable subme threads trellis vbv_bufsize vbv_maxrate weightb weightp wpredb
"""
X265_OPTIONS = """
    allow-non-conformance amp analysis-load-reuse-level analysis-reuse-level
    analysis-save-reuse-level analyze-src-pics annexb aq-mode aq-motion aq-strength aud b-adapt
    b-intra b-pyramid bframe-bias bframes bitdepth bitrate bottom cbqpoffs chromaloc chunk-end
    chunk-start cll colormatrix colorprim conformance-window-offsets const-vbv constrained-intra
    copy-pic cpuid crf crf-max crf-min crqpoffs ctu ctu-info cu-lossless cu-stats cutree deblock
    decoder-max-rate dhdr10-opt display-window dynamic-rd dynamic-refine early-skip eob eos
    fast-intra field fps frame-dup frame-rc frame-threads gop-lookahead hash hdr hdr-opt hdr10
    hdr10-opt hevc-aq high-tier hist-scenecut hist-threshold hme hrd idr-recovery-sei info
    input-csp input-res interlace intra-refresh ipratio keyint level-idc limit-modes limit-refs
    limit-sao limit-tu log-level log2-max-poc-lsb lookahead-slices lossless lowpass-dct
    master-display max-ausize-factor max-cll max-luma max-merge max-tu-size max-vbv-fullness
    mcstf me merange min-cu-size min-keyint min-luma min-vbv-fullness multi-pass-opt-analysis
    multi-pass-opt-distortion multi-pass-opt-rps nr-inter nr-intra
    numa-pools open-gop opt-cu-delta-qp
    opt-qp-pps opt-ref-list-length-pps overscan pbratio pme pmode psnr psy-rd psy-rdoq qcomp
    qg-size qp qp-adaptation-range qp-delta-nonref qp-delta-ref qpmax qpmin qpstep radl range rc
    rc-grain rc-lookahead rd rd-refine rdoq-level rdpenalty rect ref refine-analysis-type
    refine-ctu-distortion refine-inter refine-intra refine-mv repeat-headers right rskip
    rskip-edge-threshold rskip-mode sao sao-non-deblock sar sbrc scale-factor scenecut
    scenecut-aware-qp scenecut-bias scenecut-window selective-sao signhide single-sei slices
    slow-firstpass splice splitrd-skip ssim ssim-rd stats-read stats-write strict-cbr
    strong-intra-smoothing subme svt temporal-layers temporal-mvp total-frames transfer tskip
    tskip-fast tu-inter-depth tu-intra-depth uhd-bd vbv-bufsize vbv-end vbv-end-fr-adj vbv-init
    vbv-live-multi-pass vbv-maxrate videoformat vui-hrd-info vui-timing-info weightb weightp wpp
    zone-count
"""
OPTIONS = {X264: frozenset(X264_OPTIONS.split()), X265: frozenset(X265_OPTIONS.split())}
NUMBER = r"-?\d{1,8}(?:\.\d{1,2})?"
VALUE = re.compile(
    rf"0x[0-9a-f]{{1,4}}:0x[0-9a-f]{{1,4}}|{NUMBER}(?:[:,/x]{NUMBER}){{0,3}}"
    r"|infinite|dia|hex|umh|esa|tesa|star|sea|full|tff|bff|fake|none|vbr|cbr|crf|abr|cqp|2pass"
)
MASTER_DISPLAY = re.compile(r"(?:(?:G|B|R|WP|L)\(\d{1,8},\d{1,8}\)){5}")


def is_encoder_settings(payload: bytes) -> bool:
    """Is this user data (its UUID first) what x264 or x265 itself writes, and nothing more?"""
    author = payload[:16]
    try:
        text = payload[16:].decode("ascii").rstrip("\0")
    except UnicodeDecodeError:
        return False
    head = HEADS[author].match(text) if author in HEADS else None
    return head is not None and _are_options(text[head.end() :], OPTIONS[author])


def _are_options(text: str, known: frozenset[str]) -> bool:
    """Each of them known, and none twice: repeated numbers would be a place to write in."""
    # x265 forgets the space before this one.
    words = text.replace("conformance-window", " conformance-window").split(" ")
    words = [word for word in words if word]
    names = [word.partition("=")[0] for word in words]
    return len(set(names)) == len(names) and all(_is_option(word, known) for word in words)


def _is_option(word: str, known: frozenset[str]) -> bool:
    name, equals, value = word.partition("=")
    if not equals:
        return name in known or name.removeprefix("no-") in known
    if name == "master-display":
        return MASTER_DISPLAY.fullmatch(value) is not None
    return name in known and VALUE.fullmatch(value) is not None
