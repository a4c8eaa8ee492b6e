// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title ERC-20 of a devnet that anyone may mint
contract TestToken is ERC20 {
    uint8 private immutable _decimals;

    constructor(
        string memory name_,
        string memory symbol_,
        uint8 decimals_
    ) ERC20(name_, symbol_) {
        _decimals = decimals_;
    }

    /// @notice Make tokens from nothing. [token base units]
    function mint(
        address recipient,
        uint256 amount
    ) external {
        _mint(recipient, amount);
    }

    /// @notice Return the digits behind the point.
    function decimals() public view override returns (uint8) {
        return _decimals;
    }
}
