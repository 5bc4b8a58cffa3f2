"""Graphical models: tables, Bayesian networks, factor graphs, and the classifiers among them.

Directed models are `BayesNet`, `LinearGaussianNet` and `MarkovChain`; undirected ones are
`FactorGraph`. The networks of the lectures are in `gencourse.graphical.examples`.
"""

from gencourse.graphical.bayes_net import BayesNet
from gencourse.graphical.belief_propagation import (
    BeliefPropagationResult,
    Message,
    belief_propagation,
)
from gencourse.graphical.chow_liu import chow_liu, mutual_information
from gencourse.graphical.elimination import elimination_order, variable_elimination
from gencourse.graphical.factor import Factor
from gencourse.graphical.factor_graph import FactorGraph
from gencourse.graphical.gaussian_mixture import GaussianMixture
from gencourse.graphical.gaussian_naive_bayes import GaussianNaiveBayes
from gencourse.graphical.learning import fit_cpds
from gencourse.graphical.learning_curves import LearningCurve, learning_curve
from gencourse.graphical.linear_gaussian import LinearGaussian, LinearGaussianNet
from gencourse.graphical.logistic_regression import LogisticRegression
from gencourse.graphical.markov_chain import MarkovChain
from gencourse.graphical.memory import memory_limit, set_memory_limit
from gencourse.graphical.naive_bayes import NaiveBayes
from gencourse.graphical.neural_conditional import (
    LogisticConditional,
    NeuralConditional,
    TableConditional,
)
from gencourse.graphical.parameter_count import (
    num_parameters_bayes_net,
    num_parameters_independent,
    num_parameters_joint,
    num_parameters_markov_chain,
    num_parameters_mixture,
    num_parameters_normal,
)
from gencourse.graphical.uniform_gaussian import UniformGaussian

__all__ = [
    "BayesNet",
    "BeliefPropagationResult",
    "Factor",
    "FactorGraph",
    "GaussianMixture",
    "GaussianNaiveBayes",
    "LearningCurve",
    "LinearGaussian",
    "LinearGaussianNet",
    "LogisticConditional",
    "LogisticRegression",
    "MarkovChain",
    "Message",
    "NaiveBayes",
    "NeuralConditional",
    "TableConditional",
    "UniformGaussian",
    "belief_propagation",
    "chow_liu",
    "elimination_order",
    "fit_cpds",
    "learning_curve",
    "memory_limit",
    "mutual_information",
    "num_parameters_bayes_net",
    "num_parameters_independent",
    "num_parameters_joint",
    "num_parameters_markov_chain",
    "num_parameters_mixture",
    "num_parameters_normal",
    "set_memory_limit",
    "variable_elimination",
]
