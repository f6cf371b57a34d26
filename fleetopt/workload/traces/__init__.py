"""Recorded traffic: requests with their own times and tokens, read from files of several kinds."""

from fleetopt.workload.traces.reading import FORMATS as FORMATS
from fleetopt.workload.traces.reading import read_trace as read_trace
from fleetopt.workload.traces.replay import Replay as Replay
from fleetopt.workload.traces.trace import Trace as Trace
from fleetopt.workload.traces.trace import TraceFile as TraceFile
from fleetopt.workload.traces.trace import merged as merged
