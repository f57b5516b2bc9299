"""Live pictures for the notebooks: small views of our own, each with controls that have names, and a data table.

The only room that imports ipywidgets, anywidget or plotly. A view is shown by writing its name at the end of a cell;
`view.state_string()` gives its settings as a line that rebuilds it with `from_state=`.
"""

from labkit.widgets.anatomy import NetworkAnatomy, network_anatomy
from labkit.widgets.block_maps import BlockMaps, block_maps
from labkit.widgets.convolution import ConvolutionWalk, convolution_walk
from labkit.widgets.descent import GradientDescentStepper, gradient_descent_stepper
from labkit.widgets.hypergraph_view import HypergraphView, hypergraph_view
from labkit.widgets.live_run import LiveRun, live_run
from labkit.widgets.microscope import BlockMicroscope, block_microscope
from labkit.widgets.roofline import KernelPoint, Roofline, roofline
from labkit.widgets.scheduler import BlockScheduler, block_scheduler
from labkit.widgets.staleness import StalenessView, staleness
from labkit.widgets.static_page import static_page
from labkit.widgets.stepper import MoveStepper, stepper
from labkit.widgets.studio import PartitionStudio, studio
from labkit.widgets.timeline import TimelineView, timeline
from labkit.widgets.topology import TopologyView, topology
from labkit.widgets.training import TrainingView, training_view

__all__ = [
    "BlockMaps",
    "BlockMicroscope",
    "BlockScheduler",
    "ConvolutionWalk",
    "GradientDescentStepper",
    "HypergraphView",
    "KernelPoint",
    "LiveRun",
    "MoveStepper",
    "NetworkAnatomy",
    "PartitionStudio",
    "Roofline",
    "StalenessView",
    "TimelineView",
    "TopologyView",
    "TrainingView",
    "block_maps",
    "block_microscope",
    "block_scheduler",
    "convolution_walk",
    "gradient_descent_stepper",
    "hypergraph_view",
    "live_run",
    "network_anatomy",
    "roofline",
    "staleness",
    "static_page",
    "stepper",
    "studio",
    "timeline",
    "topology",
    "training_view",
]
