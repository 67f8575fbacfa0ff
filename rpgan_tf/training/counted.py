"""What callbacks share that count iterations."""

import keras


class Counted(keras.callbacks.Callback):
    """A callback that knows how many iterations are completed, and asks the device for that once an epoch only."""

    def on_epoch_begin(self, epoch, logs=None):
        self.before = int(self.model.iteration.numpy())

    def completed(self, batch):
        """Return the number of completed iterations at the end of a batch of this epoch."""
        return self.before + batch + 1
