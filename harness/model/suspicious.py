"""Operations that can touch more than the tensors they are given: files, the network, programs.

A list of known operations and no proof: that a model has none of them is not a promise that it is
harmless. Models run in containers for that reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from harness.model.details import Reach

__all__ = ["SAVERS", "Outside", "outside"]

SAVERS: Final = frozenset(
    {"MergeV2Checkpoints", "Restore", "RestoreSlice", "RestoreV2", "Save", "SaveSlices", "SaveV2"}
)
"""What every model with variables has for its own checkpoint."""

_EXPERIMENTAL = "Experimental"
"""Older names of operations of tf.data begin with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What an operation can reach, and how."""

    reach: tuple[Reach, ...]
    what: str
    attribute: str | None = None
    """Where in the node stands what it reaches; without a value there it reaches nothing."""
    harmless: tuple[str, ...] = ()
    """Values of that attribute (or how they begin) with which it reaches nothing."""


@lru_cache(maxsize=10_000)
def outside(operation: str) -> Outside | None:
    """Return what an operation can touch; None where nothing is known."""
    known = _KNOWN.get(operation) or _KNOWN.get(operation.removeprefix(_EXPERIMENTAL))
    return known or next((it for start, it in _FOREIGN if operation.startswith(start)), None)


def _same(names: str, *reach: Reach, what: str) -> Mapping[str, Outside]:
    return {name: Outside(reach=reach, what=what) for name in names.split()}


_FILES, _NETWORK, _PROGRAM = Reach.FILES, Reach.NETWORK, Reach.PROGRAM

# File names may be addresses too (gs://, s3://, hdfs://) where the file system has been built in;
# that is said once, in the report.
_KNOWN: Mapping[str, Outside] = {
    **_same("ReadFile WholeFileReader WholeFileReaderV2", _FILES, what="reads whole files"),
    **_same("WriteFile", _FILES, what="writes files, making their folders"),
    **_same("MatchingFiles MatchingFilesDataset", _FILES, what="lists files"),
    **_same(
        "FixedLengthRecordDataset FixedLengthRecordDatasetV2 FixedLengthRecordReader "
        "FixedLengthRecordReaderV2 TFRecordDataset TFRecordDatasetV2 TFRecordReader "
        "TFRecordReaderV2 TextLineDataset TextLineReader TextLineReaderV2 CSVDataset CSVDatasetV2 "
        "LMDBDataset LMDBReader",
        _FILES,
        what="reads records of files",
    ),
    **_same("SqlDataset", _FILES, what="runs SQL on a database file"),
    **_same(
        "CacheDataset CacheDatasetV2 SnapshotDataset SnapshotDatasetV2 SnapshotChunkDataset",
        _FILES,
        what="writes and reads files of a data set",
    ),
    **_same(
        "LoadDataset ListSnapshotChunksDataset SnapshotDatasetReader SnapshotNestedDatasetReader",
        _FILES,
        what="reads a saved data set",
    ),
    **_same(
        "SaveDataset SaveDatasetV2 DatasetToTFRecord DistributedSave",
        _FILES,
        what="writes a data set to files",
    ),
    **_same(
        "InitializeTableFromTextFile InitializeTableFromTextFileV2",
        _FILES,
        what="reads a vocabulary file, mostly one of the model's assets",
    ),
    **_same("GenerateVocabRemapping", _FILES, what="reads vocabulary files"),
    **_same("LoadAndRemapMatrix", _FILES, what="reads a checkpoint"),
    **_same(
        "Restore RestoreSlice RestoreV2 DTensorRestoreV2", _FILES, what="reads tensors of files"
    ),
    **_same("Save SaveSlices SaveV2", _FILES, what="writes tensors to files"),
    **_same("MergeV2Checkpoints", _FILES, what="merges checkpoint files and deletes the parts"),
    **_same("CalibrationStatisticsSaver", _FILES, what="writes calibration statistics"),
    **_same(
        "CreateSummaryFileWriter CreateSummaryDbWriter WriteAudioSummary WriteGraphSummary "
        "WriteHistogramSummary WriteImageSummary WriteRawProtoSummary WriteScalarSummary "
        "WriteSummary ImportEvent",
        _FILES,
        what="writes summaries (event files)",
    ),
    "ImmutableConst": Outside(
        reach=(_FILES,), what="maps a file into memory", attribute="memory_region_name"
    ),
    "FixedUnigramCandidateSampler": Outside(
        reach=(_FILES,), what="reads a vocabulary file", attribute="vocab_file"
    ),
    **dict.fromkeys(
        ("DecodeProtoV2", "EncodeProto"),
        Outside(
            reach=(_FILES,),
            what="reads a file of protocol buffer descriptors",
            attribute="descriptor_source",
            harmless=("local://", "bytes://"),
        ),
    ),
    "PrintV2": Outside(
        reach=(_FILES,),
        what="appends what it prints to a file",
        attribute="output_stream",
        harmless=("stderr", "stdout", "log("),
    ),
    **dict.fromkeys(
        (
            "DebugIdentity",
            "DebugIdentityV2",
            "DebugIdentityV3",
            "DebugNanCount",
            "DebugNumericSummary",
        ),
        Outside(
            reach=(_FILES, _NETWORK),
            what="sends tensors to files or to a debugger's address",
            attribute="debug_urls",
        ),
    ),
    "DebugNumericSummaryV2": Outside(reach=(_FILES,), what="writes tensors for a debugger"),
    **_same(
        "BigQueryReader GenerateBigQueryReaderPartitions", _NETWORK, what="reads Google BigQuery"
    ),
    **_same(
        "GcsConfigureBlockCache GcsConfigureCredentials FileSystemSetConfiguration",
        _NETWORK,
        what="changes how remote file systems are reached",
    ),
    **_same(
        "Rpc TryRpc RpcCall RpcClient RpcCheckStatus RpcGetValue",
        _NETWORK,
        what="calls procedures over the network",
    ),
    **_same(
        "RpcServer RpcServerRegister RpcServerStart",
        _NETWORK,
        what="offers procedures to the network",
    ),
    **_same(
        "DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4 "
        "RegisterDataset RegisterDatasetV2",
        _NETWORK,
        what="uses a data service over the network",
    ),
    **_same(
        "CollectiveAllToAllV2 CollectiveAllToAllV3 CollectiveBcastRecv CollectiveBcastRecvV2 "
        "CollectiveBcastSend CollectiveBcastSendV2 CollectiveGather CollectiveGatherV2 "
        "CollectiveInitializeCommunicator CollectivePermute CollectiveReduce "
        "CollectiveReduceScatterV2 CollectiveReduceV2 CollectiveReduceV3 NcclAllReduce "
        "NcclBroadcast NcclReduce",
        _NETWORK,
        what="exchanges tensors with other devices or machines",
    ),
    **_same(
        "Send Recv _Send _Recv _HostSend _HostRecv RemoteCall",
        _NETWORK,
        what="exchanges tensors with other devices or machines",
    ),
    **_same(
        "ConfigureDistributedTPU _ConfigureDistributedTPU ConfigureAndInitializeGlobalTPU",
        _NETWORK,
        what="sets up TPUs",
    ),
    **_same(
        "PyFunc PyFuncStateless EagerPyFunc",
        _PROGRAM,
        what="calls a Python function of the process that saved the model: it fails in any other",
    ),
    **_same("RemoteFusedGraphExecute", _PROGRAM, what="runs a graph in another library"),
    **_same("TfLiteSubgraphExecute", _PROGRAM, what="runs a TensorFlow Lite graph"),
    **_same(
        "XlaCustomCall XlaCustomCallV2",
        _PROGRAM,
        what="calls a function of a native library by its name",
    ),
    **_same("TRTEngineOp", _PROGRAM, what="runs a TensorRT engine: native code for one GPU"),
}

_FOREIGN = (
    (
        "IO>",
        Outside(reach=(_FILES, _NETWORK), what="tensorflow-io: reads files or services"),
    ),
    ("Reverb", Outside(reach=(_NETWORK,), what="talks to a Reverb server")),
    (
        "SimpleML",
        Outside(reach=(_FILES,), what="reads a decision forest, mostly of the model's assets"),
    ),
)
"""By how operations of other packages begin."""
