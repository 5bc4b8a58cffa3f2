"""Graphical models: tables, Bayesian networks, factor graphs, and the classifiers among them."""

from importlib import import_module
from typing import Any

_WHERE = {
    "factor": ["Factor"],
    "memory": ["set_memory_limit", "memory_limit"],
    "elimination": ["variable_elimination", "elimination_order"],
    "bayes_net": ["BayesNet"],
    "factor_graph": ["FactorGraph"],
    "belief_propagation": ["belief_propagation", "BeliefPropagationResult", "Message"],
    "markov_chain": ["MarkovChain"],
    "linear_gaussian": ["LinearGaussianNet", "LinearGaussian"],
    "naive_bayes": ["NaiveBayes"],
    "gaussian_naive_bayes": ["GaussianNaiveBayes"],
    "logistic_regression": ["LogisticRegression"],
    "gaussian_mixture": ["GaussianMixture"],
    "chow_liu": ["chow_liu", "mutual_information"],
    "learning": ["fit_cpds"],
    "neural_conditional": ["TableConditional", "LogisticConditional", "NeuralConditional"],
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULE:
        return getattr(import_module(f"{__name__}.{_MODULE[name]}"), name)
    raise AttributeError(name)
