"""DataSynthesizer: PrivBayes, every column declared categorical. Its guarantee is pure epsilon; delta is not used.

The library reads the categories from the rows it protects; there is no way to hand it a public domain.
"""

from __future__ import annotations

import sys
from pathlib import Path

from DataSynthesizer.DataDescriber import DataDescriber
from DataSynthesizer.DataGenerator import DataGenerator
from request import Request


def main() -> None:
    request = Request.read(sys.argv[1])
    describer = DataDescriber(category_threshold=max(request.sizes.values()) + 1)
    describer.describe_dataset_in_correlated_attribute_mode(
        dataset_file=request.table,
        epsilon=request.epsilon,
        attribute_to_is_categorical=dict.fromkeys(request.sizes, True),
    )
    description = str(Path(request.output).with_name("description.json"))
    describer.save_dataset_description_to_file(description)
    generator = DataGenerator()
    generator.generate_dataset_in_correlated_attribute_mode(request.rows, description)
    generator.save_synthetic_data(request.output)


if __name__ == "__main__":
    main()
