// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {TestToken} from "./TestToken.sol";

/// @title Devnet token that burns a share of every transfer
contract FeeOnTransferToken is TestToken {
    uint256 private constant BPS = 10_000;
    uint256 public immutable feeBps;

    /// @notice A fee above everything.
    error FeeOnTransferTokenFeeTooHigh(uint256 feeBps, uint256 feeMaxBps);

    constructor(
        string memory name_,
        string memory symbol_,
        uint8 decimals_,
        uint256 feeBps_
    ) TestToken(name_, symbol_, decimals_) {
        require(feeBps_ <= BPS, FeeOnTransferTokenFeeTooHigh(feeBps_, BPS));
        feeBps = feeBps_;
    }

    /// @dev The recipient gets the amount less the fee; the fee is rounded up and burned.
    function _update(
        address from,
        address to,
        uint256 amount
    ) internal override {
        if (from == address(0) || to == address(0)) {
            super._update(from, to, amount);
            return;
        }
        uint256 fee = (amount * feeBps + BPS - 1) / BPS;
        super._update(from, address(0), fee);
        super._update(from, to, amount - fee);
    }
}
