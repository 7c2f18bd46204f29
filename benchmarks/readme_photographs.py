"""The README's paragraph on whole photographs, from benchmarks/results/photographs.json."""

from typing import Any

Document = dict[str, Any]


def photographs(document: Document) -> str:
    """What a paste does and does not do."""
    sizes, many, rule = document["sizes"], document["five_faces"], document["crop_rule"]
    kinds = "8 and 16 bits, colour and grey"
    found = [row for row in sizes if row["found"]]
    same = max(row["identity_change"] for row in found)
    outside = max(row["change_outside_the_mask"] for row in found)
    turned = document["orientations"]
    parts = [
        f"Faces of {sizes[0]['face_px']} to {sizes[-1]['face_px']:,} pixels, {kinds}: an edit of "
        f"nothing changes a pixel by {same} levels at most, an edit changes a pixel outside its "
        f"mask by {outside}. {many['found']} of {many['faces']} faces in "
        f"{many['pixels'] // 1_000_000} megapixels found; {len(turned['edited_as_upright'])} of "
        f"{len(turned['tried'])} EXIF orientations edited as the upright picture.",
        f"{rule['crops_taken_for_crops']} of {rule['crops']} rendered crops and "
        f"{rule['portraits_taken_for_crops']} of {rule['portraits']} portraits were taken for "
        "crops."
        if rule["portraits"]
        else "",
        "Rendered pairs as photographs, given the true edit: "
        + "; ".join(
            f"{row['picture_px_of_a_crop_px']} times a crop's size, "
            f"{row['psnr_db_difference_alone']:.1f} dB to the truth by the difference alone and "
            f"{row['psnr_db_pasted']:.1f} dB by the paste"
            for row in document["truth"]
        )
        + ".",
        _sharpness(document["sharpness"]),
        _smiles(document.get("smiles")),
    ]
    return " ".join(part for part in parts if part)


def _sharpness(sharpness: Document) -> str:
    name = "portraits" if "portraits" in sharpness else "rendered"
    forms = (
        ("at_1024_px_with_grain", "at 1,024 pixels with a photograph's grain"),
        ("as_it_is", "as they are"),
        ("at_1024_px", "grown to 1,024 pixels without grain, where little is left to measure"),
    )
    told = []
    for form, words in forms:
        found = sharpness[name][form]["pasted"]
        told.append(f"{words} {found['median']:.2f} ({found['least']:.2f} to {found['most']:.2f})")
    edits = sharpness[name]["as_it_is"]["pasted"]["n"]
    return f"Sharpness of {edits} edited {name} in the face, before = 1: {'; '.join(told)}."


def _smiles(smiles: Document | None) -> str:
    if smiles is None:
        return ""
    value = {kind: found["value"] for kind, found in smiles["smile"].items()}
    return (
        f"On whole photographs of {smiles['people']} people (Face Research Lab London Set, CC BY "
        f"4.0) made happy, the smile that MediaPipe reads rises from {value['neutral']:.2f} to "
        f"{value['pasted']:.2f}; of their true smiles it reads {value['true_smile']:.2f}."
    )
