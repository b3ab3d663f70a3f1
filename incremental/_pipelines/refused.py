"""Steps that cannot be trained block by block, why not, and what to do instead: a table."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why steps cannot be trained block by block, and what can stand in their place."""

    why: str
    instead: str
    names: tuple[str, ...] = ()
    #: What to do, where neither something else nor the frozen step can stand in its place.
    remedy: str = ""


ONLY_RAISES = "has a partial_fit that only raises NotImplementedError"
NEEDS_ROWS = "has no partial_fit, and needs to see rows"
LINEAR = "SGDClassifier or SGDRegressor"

#: Samplers, as of imbalanced-learn.
SAMPLERS = Refusal(
    "is a sampler: samplers change the number of rows, and a block keeps its own",
    "",
    remedy=(
        "Leave it out and use class_weight='balanced' of the classifier, or sample_weight; or "
        "sample X and y before."
    ),
)

#: By the names of classes; for others the error says less.
REFUSED = [
    Refusal(
        "changes the number of rows",
        "",
        ("PatchExtractor",),
        "Extract the patches before, block by block (X.map_blocks).",
    ),
    Refusal(
        "decomposes all rows at once",
        "IncrementalPCA",
        (
            *("CCA", "FactorAnalysis", "FastICA", "LinearDiscriminantAnalysis"),
            *("NeighborhoodComponentsAnalysis", "PCA", "PLSCanonical", "PLSRegression", "PLSSVD"),
            "TruncatedSVD",
        ),
    ),
    Refusal("decomposes all rows at once", "MiniBatchNMF", ("NMF",)),
    Refusal(
        "decomposes all rows at once",
        "MiniBatchDictionaryLearning",
        ("DictionaryLearning", "MiniBatchSparsePCA", "SparsePCA"),
    ),
    Refusal(
        "compares rows with all others",
        "RBFSampler(gamma=...) before IncrementalPCA",
        ("Isomap", "KernelCenterer", "KernelPCA", "LocallyLinearEmbedding", "Nystroem", "TSNE"),
    ),
    Refusal(
        "compares rows with all others",
        "SimpleImputer()",
        ("IterativeImputer", "KNNImputer"),
    ),
    Refusal(
        "compares rows with all others",
        "MiniBatchKMeans",
        ("BisectingKMeans", "KMeans", "KNeighborsTransformer", "RadiusNeighborsTransformer"),
    ),
    Refusal(
        "compares columns over all rows",
        "IncrementalPCA or GaussianRandomProjection(n_components=...)",
        ("FeatureAgglomeration",),
    ),
    Refusal(
        "needs the quantiles of all rows",
        "StandardScaler or MinMaxScaler",
        ("QuantileTransformer", "RobustScaler"),
    ),
    Refusal(
        "maximises a likelihood over all rows",
        "FunctionTransformer(np.log1p) or StandardScaler",
        ("PowerTransformer",),
    ),
    Refusal(
        "rates columns over all rows",
        "SelectFromModel(SGDClassifier()) or SelectFromModel(SGDRegressor())",
        ("RFE", "RFECV", "SequentialFeatureSelector"),
    ),
    Refusal("averages y over all rows", "OneHotEncoder or FeatureHasher", ("TargetEncoder",)),
    Refusal("grows trees on all rows", "RBFSampler(gamma=...)", ("RandomTreesEmbedding",)),
    Refusal(
        "fits to all rows at once",
        LINEAR,
        (
            *("IsotonicRegression", "StackingClassifier", "StackingRegressor", "VotingClassifier"),
            "VotingRegressor",
        ),
    ),
    Refusal(
        "transforms y, not X",
        "",
        ("LabelBinarizer", "LabelEncoder", "MultiLabelBinarizer"),
    ),
]
