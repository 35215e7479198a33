# SPDX-License-Identifier: Apache-2.0
"""Runs tests in several processes ("lanes"), each with shared brokers, stores and ports of its own.

Most tests wait for clients most of the time, so two beside each other end in little more than the
time of one. The parent gives a lane its next piece of work when it has done the one before, and
reports in the order of the names, whatever ended first. A lane that dies takes one test with it.
"""
import multiprocessing
from multiprocessing.connection import wait


class Lane:
    def __init__(self, context, number, lanes, work):
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=serve, args=(there, self.pipe, number, lanes, work))
        self.process.start()
        there.close()
        self.left = []  # what it was given and has not answered, in order

    def give(self, piece):
        self.left = list(piece)
        self.pipe.send(piece)

    def take(self):
        """(index, result) of one test; a result of None when the lane has died."""
        try:
            index, result = self.pipe.recv()
        except EOFError:
            return self.left.pop(0), None
        self.left.remove(index)
        return index, result

    def end(self):
        try:
            self.pipe.send(None)
        except OSError:
            pass
        self.process.join()


def serve(pipe, parents_end, number, lanes, work):
    """What a lane does: work(number, lanes) is a context that gives the function for one test."""
    parents_end.close()  # else it would not be told of the parent's death
    with work(number, lanes) as run:
        while True:
            try:
                piece = pipe.recv()
            except EOFError:
                return
            if piece is None:
                return
            for index in piece:
                pipe.send((index, run(index)))


def pieces(keys):
    """Indices with the same key in one piece; the large pieces first, they decide when all is done."""
    found = {}
    for index, key in enumerate(keys):
        found.setdefault(key, []).append(index)
    return sorted(found.values(), key=len, reverse=True)


def results(keys, jobs, work):
    """Yields the result of each test in the order of keys; None for one whose lane died."""
    context = multiprocessing.get_context("fork")
    todo, done, given = pieces(keys), {}, 0
    lanes = [Lane(context, n, jobs, work) for n in range(min(jobs, len(todo)))]
    try:
        while given < len(keys):
            for lane in lanes:
                if todo and not lane.left and lane.process.is_alive():
                    lane.give(todo.pop(0))
            busy = {lane.pipe: lane for lane in lanes if lane.left}
            if not busy:
                raise RuntimeError("every lane has died")
            for pipe in wait(list(busy)):
                lane = busy[pipe]
                index, result = lane.take()
                done[index] = result
                if result is None:
                    done.update(dict.fromkeys(lane.left))
                    lane.left = []
                    lane.process.join()
            while given in done:
                yield done.pop(given)
                given += 1
    finally:
        for lane in lanes:
            if lane.left:
                lane.process.terminate()
            lane.end()
