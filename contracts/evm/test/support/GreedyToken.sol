// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {TestToken} from "../../src/devnet/TestToken.sol";

/// @notice Takes one unit more from the sender than was asked.
contract GreedyToken is TestToken {
    address public victim;

    constructor() TestToken("Greedy", "GR", 18) {}

    function setVictim(
        address account
    ) external {
        victim = account;
    }

    function _update(
        address from,
        address to,
        uint256 amount
    ) internal override {
        super._update(from, to, amount);
        if (from == victim && from != address(0)) {
            super._update(from, address(0), 1);
        }
    }
}
