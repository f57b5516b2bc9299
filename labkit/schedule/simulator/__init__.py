"""The parts of `schedule.simulate`: operations (what to time), network (ports and messages), lanes, servers."""
