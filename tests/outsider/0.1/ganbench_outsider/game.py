"""What training is made of: a loss, a constraint, dynamics, an input, an optimizer, and a method of all of them."""

import torch
from ganbench import Constraint, Draw, Dynamics, Example, Input, Method, Objective, Offer, Scalar, Use, hookimpl

ganbench_api = 1


def boosting(scale: Scalar = 1.0):
    """Return the exponential loss of AdaBoost, for both players."""

    def critic(real, fake):
        return (-scale * real).exp().mean() + (scale * fake).exp().mean()

    def generator(real, fake):
        return (-scale * fake).exp().mean()

    return Objective(critic, generator)


def leash(target: Scalar = 0.0):
    """Return the penalty E (r - target)^2, which keeps the scores of real samples near a target."""
    return Constraint(critic=lambda play: (play.scores_real - target).square().mean())


def together():
    """Return simultaneous steps of both players."""
    return Dynamics(together=True)


def jitter(sigma: Scalar = 0.1):
    """Return noise on all that the critic sees."""
    return Input(view=lambda x, draws, progress: x + sigma * draws["noise"], draws={"noise": Draw("normal", "data")})


def descent(lr: Scalar = 1e-2):
    """Return a factory of gradient descent."""
    return lambda parameters: torch.optim.SGD(parameters, lr=lr)


def recipe():
    """Return the method of this package's own parts."""
    return Method(
        loss=Use("outsider-boosting", scale=0.5),
        constraints=(Use("outsider-leash", weight=0.1, target=0.5),),
        inputs=(Use("outsider-jitter"),),
        dynamics=Use("outsider-together"),
        optimizer=Use("outsider-descent", lr=1e-3),
    )


@hookimpl
def ganbench_losses():
    """Offer a loss with an example from hand calculation."""
    known = Example({"real": [0.0], "fake": [0.0]}, {"critic": 2.0, "generator": 1.0}, "e^0 + e^0")
    yield Offer("outsider-boosting", boosting, "The exponential loss of AdaBoost.", examples=(known,), formula="E e^-r")


@hookimpl
def ganbench_constraints():
    """Offer a constraint, without an example."""
    yield Offer("outsider-leash", leash, "Pulls the scores of real samples towards a number.", version=2)


@hookimpl
def ganbench_dynamics():
    """Offer dynamics."""
    yield Offer("outsider-together", together, "Both players step from one point.", reference="A third party 2026")


@hookimpl
def ganbench_inputs():
    """Offer an input."""
    yield Offer("outsider-jitter", jitter, "Adds noise to all that the critic sees.")


@hookimpl
def ganbench_optimizers():
    """Offer an optimizer."""
    yield Offer("outsider-descent", descent, "Gradient descent.", proportional_to="lr")


@hookimpl
def ganbench_methods():
    """Offer a method."""
    yield Offer("outsider-gan", recipe, "All parts of this package.", reference="A third party 2026")
