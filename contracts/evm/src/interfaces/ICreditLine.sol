// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {MessageId} from "../MessageLib.sol";

/// @title Lends one token against credit limits that the hub grants to margin accounts
/// @notice The example integrator: collateral stays in vaults on other chains; what may be borrowed
/// here is the limit of the account's newest grant. Debts grow with an index; interest stays in the
/// pool.
interface ICreditLine {
    /* TYPES */

    /// @notice The newest grant of an account.
    struct Grant {
        address borrower; // who may draw
        uint64 expiry; // [unix s], last second at which drawing is allowed
        uint64 nonce; // of the message; a higher one replaces it
        uint256 limit; // [debt token base units], cap on the account's debt
    }

    /* ERRORS */

    /// @notice Margin account zero belongs to nobody.
    error CreditLineAccountZero();
    /// @notice Nothing to move.
    error CreditLineAmountZero();
    /// @notice The borrower or recipient is zero or this contract.
    error CreditLineRecipientInvalid(address recipient);
    /// @notice The grant is for another token.
    error CreditLineWrongToken(address token, address expected);
    /// @notice The rate per second is above what the contract allows.
    error CreditLineRateTooHigh(uint256 ratePerSecondRay, uint256 rateMaxRay);
    /// @notice A grant with this nonce or a higher one was accepted for the account.
    error CreditLineNonceOutdated(bytes32 account, uint64 nonce, uint256 nonceMin);
    /// @notice The caller is not the borrower the account's grant names.
    error CreditLineNotBorrower(bytes32 account, address caller, address borrower);
    /// @notice The account's grant may no longer be drawn on.
    error CreditLineGrantExpired(bytes32 account, uint64 expiry, uint256 timestamp);
    /// @notice The debt would be above the granted limit. [debt token base units]
    error CreditLineLimitExceeded(bytes32 account, uint256 debtAfter, uint256 limit);
    /// @notice The pool does not have as much. [debt token base units]
    error CreditLineLiquidityShort(uint256 amount, uint256 available);
    /// @notice The account owes nothing.
    error CreditLineNoDebt(bytes32 account);
    /// @notice The payment is too small to lower the debt by its smallest step.
    error CreditLineRepaymentTooSmall(bytes32 account, uint256 amount);
    /// @notice The supplier has not supplied as much. [debt token base units]
    error CreditLineSupplyShort(address supplier, uint256 amount, uint256 supplied);
    /// @notice Less or more arrived than was sent: the token is not an ordinary one.
    error CreditLineArrivalMismatch(uint256 amount, uint256 received);
    /// @notice The pool paid more than it owed: the token is not an ordinary one.
    error CreditLineOverpaid(uint256 expectedBalance, uint256 balance);

    /* EVENTS */

    /// @notice An account's grant was replaced. [debt token base units]
    event CreditGranted(
        MessageId indexed messageId,
        bytes32 indexed account,
        address borrower,
        uint256 limit,
        uint64 expiry,
        uint64 nonce
    );
    /// @notice The borrower drew. [debt token base units]
    event Borrowed(
        bytes32 indexed account,
        address indexed borrower,
        address recipient,
        uint256 amount,
        uint256 scaledAfter,
        uint256 indexRay
    );
    /// @notice Somebody repaid; `amount` is what was really paid. [debt token base units]
    event Repaid(
        bytes32 indexed account,
        address indexed payer,
        uint256 amount,
        uint256 scaledAfter,
        uint256 indexRay
    );
    /// @notice Liquidity came in. [debt token base units]
    event Supplied(address indexed supplier, uint256 amount, uint256 suppliedAfter);
    /// @notice Liquidity went out to its supplier. [debt token base units]
    event Withdrawn(
        address indexed supplier, address recipient, uint256 amount, uint256 suppliedAfter
    );

    /* FUNCTIONS */

    /// @notice Accept a credit_grant message; a higher nonce replaces the account's older grant.
    /// @param message Canonical bytes.
    /// @param guardianSetIndex Index of the set that signed, which must be the current one.
    /// @param signatures 65-byte r | s | v, strictly ascending by signer.
    function grant(
        bytes calldata message,
        uint32 guardianSetIndex,
        bytes[] calldata signatures
    ) external;

    /// @notice Draw on the account's grant; only its borrower, until its expiry, up to its limit.
    /// @param account Margin account.
    /// @param amount Base units of the debt token.
    /// @param recipient Who gets them.
    function borrow(
        bytes32 account,
        uint256 amount,
        address recipient
    ) external;

    /// @notice Repay an account's debt; anyone may. Never takes more than the debt.
    /// @param account Margin account.
    /// @param amount Base units of the debt token; type(uint256).max repays all, up to the limit of
    /// the grant if the borrower draws first, so who pays for another names the amount.
    function repay(
        bytes32 account,
        uint256 amount
    ) external;

    /// @notice Bring liquidity.
    /// @param amount Base units of the debt token.
    function supply(
        uint256 amount
    ) external;

    /// @notice Take back own liquidity, as far as it is not lent out.
    /// @param amount Base units of the debt token.
    /// @param recipient Who gets them.
    function withdraw(
        uint256 amount,
        address recipient
    ) external;

    /* VIEWS */

    /// @notice Return the token that is lent.
    function debtToken() external view returns (address);

    /// @notice Return an account's debt now, rounded up. [debt token base units]
    function debtOf(
        bytes32 account
    ) external view returns (uint256);

    /// @notice Return an account's debt divided by the index, a whole number. [scaled units]
    function scaledDebtOf(
        bytes32 account
    ) external view returns (uint256);

    /// @notice Return the sum of all scaled debts. [scaled units]
    function scaledDebtTotal() external view returns (uint256);

    /// @notice Return an account's newest grant.
    function grantOf(
        bytes32 account
    ) external view returns (Grant memory);

    /// @notice Return the index as of now, x 1e27, rounded up.
    function index() external view returns (uint256);

    /// @notice Return the index at the last accrual, x 1e27.
    function indexStored() external view returns (uint256);

    /// @notice Return when interest was last added to the index. [unix s]
    function lastAccruedAt() external view returns (uint64);

    /// @notice Return the interest per second, x 1e27.
    function ratePerSecondRay() external view returns (uint256);

    /// @notice Return what a supplier may take back when it is not lent out. [debt token base
    /// units]
    function suppliedBy(
        address supplier
    ) external view returns (uint256);

    /// @notice Return what may be borrowed or withdrawn now. [debt token base units]
    function liquidity() external view returns (uint256);
}
