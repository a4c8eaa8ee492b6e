// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Devnet token whose functions return nothing, like some old and large ones
// It breaks the standard on purpose: vaults must cope with such tokens.
// slither-disable-next-line erc20-interface
contract NoReturnToken {
    /* STORAGE */

    string public name;
    string public symbol;
    uint8 public immutable decimals;
    uint256 public totalSupply; // [token base units]
    mapping(address owner => uint256) public balanceOf; // [token base units]
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    /* ERRORS */

    /// @notice Balance or allowance too small.
    error NoReturnTokenInsufficient(address owner, uint256 available, uint256 amount);

    /* EVENTS */

    event Transfer(address indexed from, address indexed to, uint256 amount);
    event Approval(address indexed owner, address indexed spender, uint256 amount);

    /* CONSTRUCTOR */

    constructor(
        string memory name_,
        string memory symbol_,
        uint8 decimals_
    ) {
        name = name_;
        symbol = symbol_;
        decimals = decimals_;
    }

    /* EXTERNAL */

    /// @notice Make tokens from nothing.
    function mint(
        address recipient,
        uint256 amount
    ) external {
        totalSupply += amount;
        balanceOf[recipient] += amount;
        emit Transfer(address(0), recipient, amount);
    }

    /// @notice Allow a spender.
    function approve(
        address spender,
        uint256 amount
    ) external {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
    }

    /// @notice Send own tokens.
    function transfer(
        address recipient,
        uint256 amount
    ) external {
        _move(msg.sender, recipient, amount);
    }

    /// @notice Send tokens of another within the allowance.
    function transferFrom(
        address owner,
        address recipient,
        uint256 amount
    ) external {
        uint256 allowed = allowance[owner][msg.sender];
        require(amount <= allowed, NoReturnTokenInsufficient(owner, allowed, amount));
        allowance[owner][msg.sender] = allowed - amount;
        _move(owner, recipient, amount);
    }

    /* INTERNAL */

    function _move(
        address owner,
        address recipient,
        uint256 amount
    ) private {
        uint256 balance = balanceOf[owner];
        require(amount <= balance, NoReturnTokenInsufficient(owner, balance, amount));
        balanceOf[owner] = balance - amount;
        balanceOf[recipient] += amount;
        emit Transfer(owner, recipient, amount);
    }
}
